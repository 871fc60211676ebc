/**
 * Everything that can be wrong with what a build is given: one clear error, where it is, what mends it, docker's exit
 * status, and nothing left behind.
 */

import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { type ContextFile, makeBase, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { assertNothingLeft, type Expected } from '../helpers/refusal.js'

const cli = sharedCli()
before(() => makeBase(cli))

interface BuildCase extends Expected {
  dockerfile: string
  args?: string[]
  files?: Record<string, ContextFile>
  env?: Record<string, string>
  /** Needs a step to run. */
  runs?: boolean
}

const missing = { code: 1, hint: /inside the build context/ }
const noImage = { code: 1, hint: /tsbox images/ }
const blank = { code: 1, message: /base name \(\$\{?X\}?\) should not be blank/, hint: /--build-arg/ }

const builds: Record<string, BuildCase> = {
  'an unknown instruction': {
    dockerfile: 'FROM base\nRUNN make\n',
    code: 1,
    line: 2,
    message: /unknown instruction: RUNN \(did you mean RUN\?\)/,
    hint: /RUN/,
  },
  'an unknown instruction that is near to none': {
    dockerfile: 'FROM base\nXYZZY\n',
    code: 1,
    line: 2,
    message: /unknown instruction: XYZZY$/m,
  },
  'an unknown flag of an instruction': {
    dockerfile: 'FROM base\nCOPY --form=base /a /b\n',
    code: 1,
    line: 2,
    message: /unknown flag: --form \(did you mean from\?\)/,
    hint: /--from/,
  },
  'an unterminated heredoc': {
    dockerfile: 'FROM base\nRUN <<END\necho hello\n',
    code: 1,
    line: 2,
    message: /unterminated heredoc/,
    hint: /"END"/,
  },
  'a source outside the context': {
    dockerfile: 'FROM base\nCOPY ../x /x\n',
    ...missing,
    line: 2,
    message: /no such file or directory "\/x"/,
  },
  'a missing file': {
    dockerfile: 'FROM base\nCOPY present missing /d/\n',
    files: { present: '' },
    ...missing,
    line: 2,
    message: /no such file or directory "\/missing"/,
  },
  'a file that .dockerignore leaves out': {
    dockerfile: 'FROM base\nCOPY secret /s\n',
    files: { secret: '', '.dockerignore': 'secret\n' },
    code: 1,
    line: 2,
    message: /no such file or directory "\/secret"/,
    hint: /\.dockerignore/,
  },
  'a user that the image does not know': {
    dockerfile: 'FROM base\nUSER nobody-here\nRUN id\n',
    code: 1,
    line: 3,
    message: /unable to find user nobody-here/,
    runs: true,
  },
  'a missing stage of --target': {
    dockerfile: 'FROM base AS one\n',
    args: ['--target', 'two'],
    code: 1,
    message: /target stage "two" could not be found/,
  },
  'a missing stage of COPY --from': {
    dockerfile: 'FROM base\nCOPY --from=builder /a /b\n',
    ...noImage,
    line: 2,
    message: /no such image: builder, and no stage has that name/,
  },
  'a stage that is its own base': {
    dockerfile: 'FROM me AS me\n',
    code: 1,
    line: 1,
    message: /can't be its own base "me"/,
    hint: /another name/,
  },
  'a stage that stands on a later one': {
    dockerfile: 'FROM later AS first\nFROM base AS later\nCOPY --from=first /a /b\n',
    code: 1,
    line: 1,
    message: /stage "later" is defined later, in line 2/,
    hint: /above/,
  },
  'a stage that copies from itself': {
    dockerfile: 'FROM base AS me\nCOPY --from=me /a /b\n',
    code: 1,
    message: /circular dependency detected on stage: me/,
    hint: /takes files from itself/,
  },
  'a stage that copies from a later one': {
    dockerfile: 'FROM base AS first\nCOPY --from=last /a /b\nFROM first AS last\n',
    code: 1,
    message: /circular dependency detected on stage: /,
  },
  'a base image that is not there': {
    dockerfile: 'FROM nowhere:1.2\n',
    ...noImage,
    line: 1,
    message: /no such image: nowhere:1\.2/,
  },
  'an ARG before FROM without a value': { dockerfile: 'ARG X\nFROM $X\n', ...blank, line: 2 },
  'an ARG that no FROM can see': { dockerfile: 'FROM base\nARG X=base\nFROM ${X}\n', ...blank, line: 3 },
  'a name that is not in lower case': {
    dockerfile: 'FROM Base\n',
    code: 1,
    line: 1,
    message: /lowercase|lower case/i,
  },
  'an empty Dockerfile': { dockerfile: '', code: 1, message: /Dockerfile cannot be empty/ },
  'a Dockerfile without FROM': {
    dockerfile: 'RUN true\n',
    code: 1,
    line: 1,
    message: /no build stage in current context/,
  },
  'a secret that is required and not given': {
    dockerfile: 'FROM base\nRUN --mount=type=secret,id=key,required true\n',
    code: 1,
    line: 2,
    message: /secret.*"key"/,
    hint: /--secret id=key/,
    runs: true,
  },
  'a step that fails': {
    dockerfile: 'FROM base\nRUN echo before && \\\n  exit 42\nRUN echo never\n',
    code: 1,
    line: 2,
    message: /process "\/bin\/sh -c echo before && +exit 42" did not complete successfully: exit code: 42/,
    runs: true,
  },
  'a step whose program is not there': {
    dockerfile: 'FROM base\nRUN ["/no/such", "x"]\n',
    code: 1,
    line: 2,
    message: /process "\/no\/such x" did not complete successfully: exit code: 127/,
    runs: true,
  },
  'a file in the way of a folder': {
    dockerfile: 'FROM base\nCOPY a /etc/passwd/a\n',
    files: { a: '' },
    code: 1,
    line: 2,
    message: /a file is in the way "\/etc\/passwd"|not a directory/,
  },
  'a tag that is none': {
    dockerfile: 'FROM base\n',
    args: ['-t', 'Not/Valid:*'],
    code: 1,
    message: /Not\/Valid/,
  },
  'a SOURCE_DATE_EPOCH that is no number': {
    dockerfile: 'FROM base\n',
    env: { SOURCE_DATE_EPOCH: 'yesterday' },
    code: 1,
    message: /SOURCE_DATE_EPOCH.*"yesterday"/,
    hint: /git log/,
  },
  'an unknown flag of the command line': {
    dockerfile: 'FROM base\n',
    args: ['--no-cahce'],
    code: 125,
    message: /unknown flag: --no-cahce/,
  },
  'a flag without its value': { dockerfile: 'FROM base\n', args: ['--jobs', 'many'], code: 125, message: /jobs/ },
}

for (const [what, c] of Object.entries(builds))
  test(`build refuses ${what}`, async (t) => {
    if (c.runs && !(await requireBox(t))) return
    const context = writeContext(cli, { ...c.files, Dockerfile: c.dockerfile })
    const args = ['build', '--progress', 'plain', '-t', 'never-made', ...(c.args ?? []), context]
    assertNothingLeft(cli, () => cli.run(args, { env: c.env }), c)
  })

test('build refuses a missing Dockerfile', () => {
  const context = writeContext(cli, { file: '' })
  assertNothingLeft(cli, () => cli.run(['build', context]), {
    code: 1,
    message: /failed to read dockerfile: open Dockerfile: no such file or directory/,
    hint: /-f/,
  })
})

test('build refuses a missing context, and one that is no folder', () => {
  const context = writeContext(cli, { file: '' })
  for (const path of ['/no/such/folder', join(context, 'file')])
    assertNothingLeft(cli, () => cli.run(['build', path]), { code: 1, message: /context.*"\// })
})

test('build refuses no context at all', () => {
  assertNothingLeft(cli, () => cli.run(['build']), { code: 1, message: /requires|argument/ })
})

const unreadable: [what: string, file: string, message: RegExp][] = [
  ['file of the context', 'sub/closed', /EACCES|permission denied/i],
  ['.dockerignore', '.dockerignore', /\.dockerignore.*(EACCES|permission denied)/i],
  ['Dockerfile', 'Dockerfile', /dockerfile.*(EACCES|permission denied)/i],
]
for (const [what, file, message] of unreadable)
  test(`build refuses a ${what} that can't be read`, (t) => {
    if (process.getuid!() === 0) return void skip(t, 'root reads every file', { byDefinition: true })
    const context = writeContext(cli, { Dockerfile: 'FROM base\nCOPY . /all\n', 'sub/closed': '', '.dockerignore': '' })
    chmodSync(join(context, file), 0)
    assertNothingLeft(cli, () => cli.run(['build', context]), { code: 1, message })
  })

test('a folder that a build may not read is no matter when it is left out', (t) => {
  if (process.getuid!() === 0) return void skip(t, 'root reads every file', { byDefinition: true })
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nCOPY . /all\n',
    'closed/x': '',
    '.dockerignore': 'closed\n',
  })
  chmodSync(join(context, 'closed'), 0)
  const { id } = cli.build(context)
  chmodSync(join(context, 'closed'), 0o700)
  assert.match(id, /^sha256:/)
})
