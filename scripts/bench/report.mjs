// Results as text.

function duration(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`
}

function amount(value, unit = 'ms') {
  return unit === 'ms' ? duration(value) : `${value.toFixed(unit === 'MB' && value >= 1 ? 1 : 3)} ${unit}`
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  )
}

/** One case: each contender's median, the middle half of its times, and how it compares with tsbox. */
export function caseTable({ title, unit }, results, errors) {
  const own = results.find((r) => r.contender === 'tsbox')?.medianMs
  const rows = [[title, 'median', 'middle half', 'least', 'against tsbox']]
  for (const r of results)
    rows.push([
      `  ${r.contender}`,
      amount(r.medianMs, unit),
      `${amount(r.p25Ms, unit)} – ${amount(r.p75Ms, unit)}`,
      amount(r.minMs, unit),
      own === undefined || r.contender === 'tsbox' ? '' : `${(r.medianMs / own).toFixed(2)} ×`,
    ])
  return [...table(rows), ...errors.map((e) => `  ${e.contender}: not measured: ${e.error}`), ''].join('\n')
}

export function limitTable(limits) {
  const rows = [['limits', 'measured', 'at most', '']]
  for (const l of limits)
    rows.push([`  ${l.name}`, amount(l.value, l.unit), amount(l.limit, l.unit), l.pass ? 'ok' : 'MISSED'])
  return table(rows).join('\n')
}
