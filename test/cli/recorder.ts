import { TsboxError } from '../../src/base/error.js'
import { main } from '../../src/cli/main.js'
import type { Shell } from '../../src/cli/shell.js'
import type {
  BuildOutcome,
  BuildRequest,
  Engine,
  ImageInspect,
  ImageSummary,
  RunRequest,
} from '../../src/engine/api.js'
import { imageFilter } from '../../src/engine/images/filter.js'

/** What the engine was asked, by method. */
export type Calls = { method: string; args: unknown[] }[]

export interface Outcome {
  status: number
  stdout: string
  stderr: string
  calls: Calls
}

/** What the engine answers; what is not given can't be asked. */
export interface Answers {
  list?: ImageSummary[]
  inspect?: ImageInspect
  history?: Awaited<ReturnType<Engine['images']['history']>>
  containers?: Awaited<ReturnType<Engine['containers']['list']>>
  container?: Record<string, unknown>
  doctor?: Awaited<ReturnType<Engine['doctor']>>
  dockerfile?: Partial<Engine['dockerfile']>
  load?: string[]
  pulled?: Awaited<ReturnType<Engine['registry']['pull']>>
  pushed?: Awaited<ReturnType<Engine['registry']['push']>>
  usage?: Awaited<ReturnType<Engine['builder']['usage']>>
  build?: (request: BuildRequest, progress: Parameters<Engine['build']>[1]) => Promise<BuildOutcome>
  verify?: Engine['verify']
  run?: (request: RunRequest) => Promise<{ exitCode: number }>
}

export const NOW = Date.parse('2024-05-06T07:08:09Z')
export const ID = `sha256:${'0123456789abcdef'.repeat(4)}`

/** Runs a command line against an engine that writes down what it is asked. */
export async function runCli(
  argv: readonly string[],
  answers: Answers = {},
  shell: { env?: Shell['env']; stdin?: string; cwd?: string; terminal?: { stdin?: boolean; stdout?: boolean } } = {},
): Promise<Outcome> {
  const calls: Calls = []
  let stdout = ''
  let stderr = ''
  const output = (write: (text: string) => void, isTerminal = false) => ({
    write: (data: string | Uint8Array) => write(typeof data === 'string' ? data : Buffer.from(data).toString('latin1')),
    isTerminal,
    columns: () => 80,
    rows: () => 24,
  })
  const status = await main(argv, {
    env: shell.env ?? {},
    cwd: shell.cwd ?? '/here',
    stdout: output((t) => {
      stdout += t
    }, shell.terminal?.stdout),
    stderr: output((t) => {
      stderr += t
    }),
    stdin: {
      isTerminal: shell.terminal?.stdin ?? false,
      stream: async function* () {
        yield Buffer.from(shell.stdin ?? '')
      },
    },
    now: () => NOW,
    onInterrupt: () => () => undefined,
    openEngine: async (options) => {
      calls.push({ method: 'openEngine', args: [options.root] })
      return recordingEngine(calls, answers)
    },
  })
  return { status, stdout, stderr, calls }
}

function recordingEngine(calls: Calls, answers: Answers): Engine {
  const record =
    <T>(method: string, answer: (...args: never[]) => T) =>
    async (...args: unknown[]) => {
      calls.push({ method, args })
      return answer(...(args as never[]))
    }
  const built = { imageID: ID, manifestDigest: ID, tags: [] }
  return {
    build: record('build', answers.build ?? (async () => built)) as never,
    verify: record('verify', answers.verify ?? (async () => ({ built, epoch: false }))) as never,
    run: record('run', answers.run ?? (async () => ({ exitCode: 0 }))) as never,
    doctor: record('doctor', () => answers.doctor!),
    close: async () => undefined,
    dockerfile: {
      check: record('check', (r: never) => answers.dockerfile!.check!(r)) as never,
      outline: record('outline', (r: never) => answers.dockerfile!.outline!(r)) as never,
      targets: record('targets', (r: never) => answers.dockerfile!.targets!(r)) as never,
    },
    images: {
      list: record('list', (_: string | undefined, filters: Record<string, string[]>) =>
        (answers.list ?? []).filter(imageFilter(filters, () => answers.list![0]!)),
      ) as never,
      inspect: record('inspect', () => answers.inspect!),
      history: record('history', () => answers.history ?? []),
      tag: record('tag', () => undefined),
      remove: record('remove', () => ['Untagged: x', 'Deleted: y']),
      load: record('load', () => answers.load ?? []),
      save: record('save', (_: unknown, write: (chunk: Uint8Array) => void) => write(Buffer.from('tar'))) as never,
      import: record('import', () => ID),
      fromHost: record('fromHost', () => ID),
      prune: record('pruneImages', () => ({ deleted: ['untagged: x'], reclaimedBytes: 5 })),
      verify: record('verifyImages', () => []),
      explore: record('explore', () => undefined as never),
      diff: record('diffImages', () => undefined as never),
      config: record('config', () => ({
        digest: ID,
        config: { architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [] } },
      })),
    },
    manifests: {
      create: record('createManifestList', () => 'docker.io/library/x:1'),
      annotate: record('annotateManifest', () => undefined),
      inspect: record('inspectManifest', () => undefined as never),
      images: record('imagesOfManifest', () => []),
      push: record('pushManifestList', () => ID),
      remove: record('removeManifestLists', (names: string[]) => names) as never,
      combine: record('combineManifests', () => undefined as never),
    },
    registry: {
      copy: record('copy', () => ID) as never,
      sign: record('sign', () => ID),
      verifySignature: record('verifySignature', () => ID),
      pull: record('pull', () => answers.pulled ?? []),
      push: record('push', () => answers.pushed ?? []),
      login: record('login', () => ({ stored: ['/home/u/.docker/config.json'], plain: true })),
      logout: record('logout', () => ['/home/u/.docker/config.json']),
      storedUser: record('storedUser', () => undefined),
      search: record('search', () => []),
    },
    volumes: {
      list: record('volumes', () => [{ name: 'data', mode: 'subid', mountpoint: '/store/volumes/subid/data/data' }]),
      remove: record('removeVolumes', (names: string[]) => names),
    },
    containers: {
      list: record('containers', () => answers.containers ?? []),
      remove: record('removeContainers', (names: string[]) => names),
      create: record('create', () => ID),
      start: record('start', () => undefined),
      startAttached: record('startAttached', () => 3) as never,
      attach: record('attach', () => 4) as never,
      exec: record('exec', () => 5) as never,
      stop: record('stop', () => undefined),
      restart: record('restart', () => undefined),
      kill: record('kill', () => undefined),
      wait: record('wait', () => 6),
      rename: record('rename', () => undefined),
      pause: record('pause', () => undefined),
      unpause: record('unpause', () => undefined),
      update: record('update', () => undefined),
      usage: record('usage', async function* () {
        yield []
      }) as never,
      logs: record('logs', () => undefined) as never,
      inspect: record('inspectContainer', (name: string) => {
        if (!answers.container) throw new TsboxError('E_CONTAINER_NOT_FOUND', `No such container: ${name}`)
        return answers.container
      }),
      top: record('top', () => 'PID\n1\n'),
      size: record('size', () => ({ changedBytes: 10, totalBytes: 5000 })),
      diff: record('diffContainer', () => [{ kind: 'A' as const, path: '/x' }]),
      export: record('export', (_: unknown, write: (chunk: Uint8Array) => void) => write(Buffer.from('tar'))) as never,
      commit: record('commit', () => ID),
      copyOut: record('copyOut', () => 2048),
      copyIn: record('copyIn', () => 2048),
      prune: record('pruneContainers', () => ({ ids: ['a'], reclaimedBytes: 5 })),
    },
    builder: {
      usage: record('usage', () => answers.usage ?? []),
      prune: record('pruneCache', () => ({ pruned: answers.usage ?? [], reclaimedBytes: 1234 })),
    },
    system: {
      reset: record('reset', () => ({ stopped: 0, kept: [] })),
      info: record('info', () => undefined as never),
      unshare: record('unshare', () => 7) as never,
      prune: record('prune', () => ({ deleted: ['a'], reclaimedBytes: 1234 })),
      usage: record('usage', () => undefined as never),
    },
  }
}
