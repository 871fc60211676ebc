import type { DoctorFact, DoctorReport } from '../../engine/api.js'
import { choice, defineCommand } from '../command.js'
import { alignColumns } from '../format/table.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Show what this machine offers, what tsbox will use, and how to mend what is missing',
  arguments: [0, 0],
  options: { format: choice(['table', 'json', 'yaml'], '"table" (default), "json" or "yaml"') },
  async run(values, _, { engine, shell }) {
    const report = await (await engine()).doctor()
    if (values.format === 'yaml') shell.stdout.write((await import('../format/yaml.js')).toYaml(report))
    else if (values.format === 'json') shell.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    else shell.stdout.write(doctorText(report, await colours(shell.stdout.isTerminal && !shell.env.NO_COLOR)))
    // A machine that can run nothing is a failure a script can see.
    return report.modes.userns === 'none' && report.modes.backend !== 'wasi' ? 1 : undefined
  },
})

type Colour = (state: DoctorFact['state'], text: string) => string

async function colours(wanted: boolean): Promise<Colour> {
  if (!wanted) return (_, text) => text
  const { Chalk } = await import('chalk')
  const chalk = new Chalk({ level: 1 })
  return (state, text) =>
    state === 'ok' ? chalk.green(text) : state === 'missing' ? chalk.yellow(text) : chalk.dim(text)
}

const MARK: Record<DoctorFact['state'], string> = { ok: 'ok', missing: 'missing', info: 'info' }

/** The report for people: a table of facts, what is missing with its cost and cure, what will be used. */
export function doctorText(report: DoctorReport, colour: Colour): string {
  const rows = report.facts.map((f) => [colour(f.state, MARK[f.state]), f.title, f.detail.replaceAll('\n', ' ')])
  const missing = report.facts.filter((f) => f.state === 'missing')
  const cures = missing.map((f) => {
    const cost = f.cost ? `    costs: ${f.cost}\n` : ''
    const mend = f.mend ? `    mend:  ${f.mend.replaceAll('\n', '\n           ')}\n` : ''
    return `  ${f.title}\n${cost}${mend}`
  })
  const modes = [
    ['  id mode', report.modes.userns],
    ['  backend', report.modes.backend],
    ['  network', report.modes.network],
  ]
  return (
    alignColumns(rows, 0) +
    (cures.length ? `\nMissing:\n${cures.join('')}` : '') +
    `\ntsbox will use:\n${alignColumns(modes, 0)}`
  )
}
