/** What the documentation says must be there: its links, and the commands and options of its console blocks. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { REPO, TSBOX } from './helpers/cli.js'

const docs = readdirSync(join(REPO, 'docs'), { recursive: true, encoding: 'utf8' })
const files = ['README.md', 'CHANGELOG.md', ...docs.map((f) => join('docs', f))].filter((f) => f.endsWith('.md'))

/** Text outside of fenced blocks, and the blocks by their language. */
function parts(markdown: string): { prose: string; blocks: { language: string; text: string }[] } {
  const blocks: { language: string; text: string }[] = []
  const fence = /^ *```([^\n]*)\n(.*?)^ *```[^\S\n]*$/gms
  const prose = markdown.replace(fence, (_, language: string, text: string) => {
    blocks.push({ language: language.trim(), text })
    return ''
  })
  assert.doesNotMatch(prose, /^ *```/m, 'every fenced block ends')
  return { prose, blocks }
}

/** Anchor of a heading, as forges make it. */
function anchor(heading: string): string {
  const text = heading.replace(/[`*]/g, '').trim().toLowerCase()
  return text.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-')
}

const anchors = (file: string) =>
  [...parts(readFileSync(file, 'utf8')).prose.matchAll(/^#+ (.*)$/gm)].map((m) => anchor(m[1]!))

for (const file of files)
  test(`links of ${file} lead somewhere`, () => {
    const path = join(REPO, file)
    const { prose } = parts(readFileSync(path, 'utf8'))
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm)].map((m) => m[1] ?? m[2]!)
    for (const link of links.filter((l) => !/^[a-z]+:/.test(l))) {
      const [name, id] = link.split('#') as [string, string | undefined]
      const target = name === '' ? path : join(dirname(path), name)
      assert.ok(!relative(REPO, target).startsWith('..'), `${link} stays in the repository`)
      assert.ok(existsSync(target), `${link} exists`)
      if (id !== undefined) assert.ok(anchors(target).includes(id), `${link} is a heading`)
    }
  })

/** A call of tsbox in a console block: the words after it, to the end of the command. */
interface Call {
  file: string
  line: string
  words: string[]
}

/** Words of a shell line, quotes undone; a pipe or `;` ends the command. */
function shellWords(line: string): string[] {
  const words = [...line.matchAll(/(?:[^\s'"|;&>]|'[^']*'|"[^"]*")+|[|;&>]/g)].map((m) => m[0])
  const end = words.findIndex((w) => /^[|;&>]$/.test(w))
  return (end < 0 ? words : words.slice(0, end)).map((w) => w.replace(/['"]/g, ''))
}

function callsIn(file: string): Call[] {
  const blocks = parts(readFileSync(join(REPO, file), 'utf8')).blocks.filter((b) => b.language === 'console')
  const lines = blocks.flatMap((b) => b.text.split('\n')).filter((l) => l.startsWith('$ '))
  return lines.flatMap((line) =>
    [...line.matchAll(/(?:^\$ |[|;&] )(?:[A-Z_]+=\S* )*tsbox (.*)$/g)].map((m) => ({
      file,
      line,
      words: shellWords(m[1]!),
    })),
  )
}

const helps = new Map<string, string>()

/** What `tsbox COMMAND --help` prints. @throws where there is no such command */
function helpOf(command: string): string {
  let help = helps.get(command)
  if (help === undefined) {
    const ran = spawnSync(TSBOX, [...command.split(' ').filter(Boolean), '--help'], { encoding: 'utf8' })
    assert.equal(ran.status, 0, `tsbox ${command} --help: ${ran.stderr}`)
    help = ran.stdout
    helps.set(command, help)
  }
  return help
}

/** Options that the help lists, long and short. */
const optionsOf = (help: string) => new Set(help.match(/(?<=^ {2,6}|, )--?[a-z][a-z-]*/gim))

/** Groups of commands: the word after them belongs to the name. */
const GROUPS = new Set(
  [
    ...helpOf('')
      .split('Management commands:')[1]!
      .matchAll(/^ {2}(\w+) /gm),
  ].map((m) => m[1]!),
)

/** Options whose value is the next word, before the command. */
const GLOBAL_VALUES = new Set(['--root'])

function checkCall({ words }: Call): void {
  let at = 0
  while (words[at]?.startsWith('-')) {
    assert.ok(optionsOf(helpOf('')).has(words[at]!.split('=')[0]!), `tsbox has ${words[at]}`)
    at += GLOBAL_VALUES.has(words[at]!) ? 2 : 1
  }
  const command = GROUPS.has(words[at] ?? '') ? words.slice(at, at + 2).join(' ') : (words[at] ?? '')
  const rest = words.slice(at + command.split(' ').length)
  const help = helpOf(command)
  assert.match(help, new RegExp(`^Usage: +tsbox ${command}\\b`), `tsbox ${command} is a command`)
  const known = optionsOf(help)
  for (const option of optionsUsed(command, rest)) assert.ok(known.has(option), `tsbox ${command} has ${option}`)
}

/** Options with a value in the next word, for commands whose arguments may look like options. */
const VALUES = /^(-[eutwvfh]|--(env|user|tag|name|workdir|volume|network|userns|entrypoint|hostname|env-file|root))$/

/** Options of a call; of `run` and the like only those before the image or container. */
function optionsUsed(command: string, words: readonly string[]): string[] {
  const out: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (!word.startsWith('-') || word === '-') {
      if (['run', 'create', 'exec', 'unshare'].includes(command)) break
      continue
    }
    if (word.startsWith('--')) out.push(word.split('=')[0]!)
    else out.push(...(VALUES.test(word.slice(0, 2)) ? [word.slice(0, 2)] : [...word.slice(1)].map((c) => `-${c}`)))
    if (command === 'run' && VALUES.test(word) && word !== '-t') i++
  }
  return out
}

/** Blocks show refusals on purpose: options that docker has and tsbox refuses. */
const REFUSED = [/ build --memory 1g /, / run -p 80:80 base /]

for (const file of files) {
  const calls = callsIn(file).filter((c) => !REFUSED.some((r) => r.test(`${c.line} `)))
  if (calls.length)
    test(`commands and options of ${file} exist`, () => {
      for (const call of calls) {
        try {
          checkCall(call)
        } catch (err) {
          throw new Error(`${file}: ${call.line}\n${(err as Error).message}`)
        }
      }
    })
}

test('the command lines of the README are there', () => {
  const readme = readFileSync(join(REPO, 'README.md'), 'utf8')
  for (const command of ['npm ci && npm run demo', 'npm test'])
    assert.ok(readme.includes(`\`\`\`sh\n${command}\n\`\`\``), command)
  assert.ok(readme.split('\n').length <= 131, 'the README stays short')
})
