import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TsboxError } from '../../src/base/error.js'
import { warningLine } from '../../src/build/progress/event.js'
import type { ContainerConfig } from '../../src/oci/config.js'
import { MemoryHost } from '../helpers/memory-host.js'

async function hostWith(config: ContainerConfig = {}, architecture = 'amd64'): Promise<MemoryHost> {
  const host = new MemoryHost()
  const layer = await host.layerOf({ bin: null, 'bin/sh': 'sh' })
  const rootfs = { type: 'layers' as const, diff_ids: [layer.diffID!] }
  const image = { digest: 'sha256:base', config: { architecture, os: 'linux', config, rootfs }, layers: [layer] }
  host.images.set('base', image)
  host.contexts.set('', { a: 'a' })
  return host
}

function warningsOf(host: MemoryHost): string[] {
  return host.events.filter((e) => e.type === 'warning').map(warningLine)
}

interface Case {
  name: string
  text: string
  options?: Parameters<MemoryHost['build']>[1]
  config?: ContainerConfig
  architecture?: string
  warnings: string[]
}

const MAINTAINER = 'MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)'
const CASING = "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"

const cases: Case[] = [
  { name: 'nothing to say', text: 'FROM base\nCOPY a /\n', warnings: [] },
  { name: 'two warnings, by line', text: 'FROM base as x\nMAINTAINER me\n', warnings: [CASING, MAINTAINER] },
  { name: 'skip', text: '# check=skip=FromAsCasing\nFROM base as x\n', warnings: [] },
  { name: 'skip=all', text: '# check=skip=all\nFROM base as x\nMAINTAINER me\n', warnings: [] },
  {
    name: 'the build argument, which replaces the line in the file',
    text: '# check=skip=all;error=true\nFROM base\nMAINTAINER me\n',
    options: { buildArgs: { BUILDKIT_DOCKERFILE_CHECK: 'skip=FromAsCasing' } },
    warnings: [MAINTAINER.replace('line 2', 'line 3')],
  },
  {
    name: 'variables of the base image',
    text: 'FROM base\nENV X=$SET Y=$UNSET\n',
    config: { Env: ['SET=1'] },
    warnings: ["UndefinedVar: Usage of undefined variable '$UNSET' (did you mean $SET?) (line 2)"],
  },
  {
    name: 'SHELL of the base image, which chose the shell of CMD',
    text: 'FROM base\nCMD run it\n',
    config: { Shell: ['/bin/sh', '-c'] },
    warnings: [],
  },
  {
    name: 'CMD in shell form',
    text: 'FROM base\nCMD run it\n',
    warnings: [
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 2)',
    ],
  },
  {
    name: 'a base for another machine',
    text: 'FROM base\n',
    architecture: 'arm64',
    warnings: [
      'InvalidBaseImagePlatform: Base image base was pulled with platform "linux/arm64", expected "linux/amd64" for current build (line 1)',
    ],
  },
  {
    name: 'a base that --build-context names',
    text: 'FROM other\nENV X=$SET\n',
    config: { Env: ['SET=1'] },
    architecture: 'arm64',
    options: { namedContext: (n) => (n === 'other' ? { kind: 'image', reference: 'base' } : undefined) },
    warnings: [],
  },
  {
    name: 'triggers of the base',
    text: 'FROM base\n',
    config: { OnBuild: ['MAINTAINER x', 'WORKDIR rel'] },
    warnings: [
      'WorkdirRelativePath: Relative workdir "rel" can have unexpected results if the base image changes (line 1)',
    ],
  },
  {
    name: 'stages that the target needs and no others',
    text: 'FROM base AS a\nENV X=$A\nFROM base AS b\nENV X=$B\nFROM b\nENV X=$C\n',
    options: { target: 'b' },
    warnings: ["UndefinedVar: Usage of undefined variable '$B' (line 4)"],
  },
  {
    name: 'a file that is ignored, where asked for',
    text: '# check=experimental=CopyIgnoredFile\nFROM base\nCOPY a /\n',
    options: { ignorePatterns: ['a'] },
    warnings: ['CopyIgnoredFile: Attempting to Copy file "a" that is excluded by .dockerignore (line 3)'],
  },
  {
    name: 'a file that is ignored, unasked',
    text: 'FROM base\nCOPY a /\n',
    options: { ignorePatterns: ['a'] },
    warnings: [],
  },
]

for (const { name, text, options, config, architecture, warnings } of cases)
  test(`a build warns of ${name}`, async () => {
    const host = await hostWith(config, architecture)
    await host.build(text, options)
    assert.deepEqual(warningsOf(host), warnings)
  })

test('a warning belongs to the step that read the file, with its lines, text and page', async () => {
  const host = await hostWith()
  const text = 'FROM base\nENV \\\n  a b\n'
  await host.build(text)
  const definition = host.events.find((e) => e.type === 'vertex')!
  assert.equal(definition.type === 'vertex' && definition.name, '[internal] load build definition from Dockerfile')
  assert.deepEqual(
    host.events.filter((e) => e.type === 'warning'),
    [
      {
        type: 'warning',
        id: definition.id,
        time: host.nowMs(),
        rule: 'LegacyKeyValueFormat',
        message: '"ENV key=value" should be used instead of legacy "ENV key value" format',
        description: 'Legacy key/value format with whitespace separator should not be used',
        url: 'https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/',
        line: 2,
        endLine: 3,
        source: { file: 'Dockerfile', text },
      },
    ],
  )
})

const failing: [name: string, text: string, buildArgs: Record<string, string>][] = [
  ['check=error=true', '# check=error=true\nFROM base\nMAINTAINER me\nRUN step\n', {}],
  ['the build argument', 'FROM base\nMAINTAINER me\nRUN step\n', { BUILDKIT_DOCKERFILE_CHECK: 'error=true' }],
]

for (const [name, text, buildArgs] of failing)
  test(`${name} fails a build with warnings before its first step`, async () => {
    const host = await hostWith()
    await assert.rejects(host.build(text, { buildArgs }), (err: TsboxError) => {
      assert.equal(err.code, 'E_LINT')
      assert.equal(err.message, 'lint violation found for rules: MaintainerDeprecated')
      return true
    })
    assert.deepEqual(host.ran, [])
    assert.equal(host.records.size, 0)
    assert.equal(warningsOf(host).length, 1)
  })

test('check=error=true lets a build without warnings pass, and one whose warnings are skipped', async () => {
  const host = await hostWith()
  await host.build('# check=error=true\nFROM base\nRUN one\n')
  await host.build('# check=skip=MaintainerDeprecated;error=true\nFROM base\nMAINTAINER me\nRUN two\n')
  assert.deepEqual(host.ran, ['one', 'two'])
})

test('a build that can not be planned fails as it would, and warns of what was seen', async () => {
  const host = await hostWith()
  await assert.rejects(host.build('FROM base as x\nFROM none\n'), /no such image: none/)
  assert.deepEqual(warningsOf(host), [CASING])
})

test('the checks ask for no image that the build does not', async () => {
  const host = await hostWith()
  const asked: string[] = []
  const resolve = host.resolveImage.bind(host)
  host.resolveImage = async (reference) => {
    asked.push(reference)
    return await resolve(reference)
  }
  await host.build('FROM unused AS a\nRUN x\nFROM base\nCMD x\n')
  assert.deepEqual(asked, ['base'])
  assert.equal(warningsOf(host).length, 1)
})

test('a BUILDKIT_DOCKERFILE_CHECK that is no option is an error', async () => {
  const host = await hostWith()
  const options = { buildArgs: { BUILDKIT_DOCKERFILE_CHECK: 'colour=red' } }
  await assert.rejects(
    host.build('FROM base\n', options),
    /failed to parse BUILDKIT_DOCKERFILE_CHECK: invalid check option "colour"/,
  )
})
