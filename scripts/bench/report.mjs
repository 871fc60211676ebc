// Results as text.

function duration(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`
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
export function caseTable(title, results, errors) {
  const own = results.find((r) => r.contender === 'tsbox')?.medianMs
  const rows = [[title, 'median', 'middle half', 'least', 'against tsbox']]
  for (const r of results)
    rows.push([
      `  ${r.contender}`,
      duration(r.medianMs),
      `${duration(r.p25Ms)} – ${duration(r.p75Ms)}`,
      duration(r.minMs),
      own === undefined || r.contender === 'tsbox' ? '' : `${(r.medianMs / own).toFixed(2)} ×`,
    ])
  return [...table(rows), ...errors.map((e) => `  ${e.contender}: not measured: ${e.error}`), ''].join('\n')
}

export function limitTable(limits) {
  const show = (value, unit) => (unit === 'ms' ? duration(value) : `${value.toFixed(3)} ${unit}`)
  const rows = [['limits', 'measured', 'at most', '']]
  for (const l of limits)
    rows.push([`  ${l.name}`, show(l.value, l.unit), show(l.limit, l.unit), l.pass ? 'ok' : 'MISSED'])
  return table(rows).join('\n')
}
