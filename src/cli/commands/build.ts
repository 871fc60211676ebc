import { TsboxError } from '../../base/error.js'
import type { BuildGraph, BuildOutcome, BuildRequest, VerifyOutcome } from '../../engine/api.js'
import { choice, count, defineCommand, flag, list, text } from '../command.js'
import { interruptible } from '../interrupt.js'
import { openProgress, progressMode } from '../progress/open.js'
import { UsageError } from '../usage-error.js'
import { answerCall, type CallResult, parseCall } from './build-call.js'
import { parseGraph } from './build-graph.js'
import { buildInput } from './build-input.js'
import {
  parseAddHost,
  parseBackend,
  parseKeyValue,
  parseNamedContext,
  parseSecret,
  parseTags,
} from './build-options.js'
import { rareOptions } from './build-rare.js'
import { BUILD_REFUSED } from './build-refused.js'
import type { ResultFiles } from './build-results.js'
import { requireTerminal, shellOnFailure } from './build-shell.js'
import { USERNS, usernsOf } from './userns.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] PATH | URL | -',
  summary: 'Build an image from a Dockerfile',
  arguments: [1, 1],
  options: {
    'add-host': list('Add a line to the hosts file of the steps (HOST:IP)'),
    allow: list('Allow steps a privilege (network.host, which they have anyway)'),
    annotation: list('Annotate the manifest of the image ([TYPE:]K=V)'),
    attest: list('Attestations: only type=…,disabled=true'),
    backend: choice(['auto', 'namespace', 'wasi'], 'What runs the steps (default TSBOX_BACKEND, else auto)'),
    'build-arg': list('Set a build argument (K=V, or K to take it from the environment)'),
    'build-context': list(
      'Add a named context (NAME=FOLDER, docker-image://, oci-layout://, target:STAGE, https://, git)',
    ),
    'cache-from': list('Take results from a cache (type=local,src=DIR; type=registry,ref=IMAGE; IMAGE)'),
    'cache-to': list('Write a cache (type=local,dest=DIR|type=registry,ref=IMAGE[,mode=min|max]; type=inline)'),
    call: text('Do something else than a build: check, outline or targets, with ,format=json for programs'),
    check: flag('Check the Dockerfile and build nothing (--call=check)'),
    explain: flag('Say of each step why it ran, or why it did not'),
    file: text('Dockerfile (default PATH/Dockerfile); - reads it from standard input', 'f'),
    'force-rm': flag('Remove intermediate containers always (there are none)'),
    graph: text('Draw the steps with their times to a file: FILE.svg, or FILE.html'),
    iidfile: text('Write the id of the image to a file'),
    jobs: count('Steps that may run at once'),
    label: list('Set a label of the image (K=V)'),
    load: flag('Keep the image in the store, as without --output'),
    'metadata-file': text('Write digests and names of the result to a file, as JSON'),
    network: choice(['default', 'host', 'none'], 'Network of the steps'),
    'no-cache': flag('Do not use the build cache'),
    'no-cache-filter': list('Do not use the build cache for stages (NAME[,NAME])'),
    'on-error': choice(['fail', 'shell'], 'What a failed step does: fail the build, or open a shell in it before'),
    output: list(
      'Where the result goes (type=image|registry|docker|oci|local|tar|cacheonly[,dest=PATH], FOLDER, or - for a tar)',
      'o',
    ),
    platform: list('Platform to build for (default DOCKER_DEFAULT_PLATFORM, else that of this machine)'),
    progress: choice(
      ['auto', 'plain', 'tty', 'rawjson', 'quiet'],
      'How progress is shown (default BUILDKIT_PROGRESS, else auto)',
    ),
    provenance: text('Provenance of the image: only false'),
    pull: flag('Ask registries for newer base images'),
    push: flag('Push the image to the registries of its names'),
    quiet: flag('Print the id of the image and nothing else', 'q'),
    reproducible: flag('Let SOURCE_DATE_EPOCH be the time of the commit of the context, else of its newest file'),
    rm: flag('Remove intermediate containers (there are none)'),
    sbom: text('List of what is in the image: only false'),
    secret: list('Give steps a secret (id=NAME[,src=FILE|,env=VARIABLE])'),
    'shm-size': text('Size of /dev/shm of the steps (64m by default)'),
    ssh: list('Give steps an ssh agent or keys (default|ID[=SOCKET|KEY[,KEY]])'),
    tag: list('Name of the image (NAME[:TAG])', 't'),
    target: text('Stage to build'),
    ulimit: list('Limit a resource of the steps (NAME=SOFT[:HARD], -1 for none)'),
    userns: choice(USERNS, 'How ids are mapped (host: as root, not at all)'),
    verify: flag('Build twice without the cache, and tell the first difference'),
  },
  refused: BUILD_REFUSED,
  async run(values, [path], { debug, engine, resolve, shell }) {
    const mode = progressMode(values.progress, values.quiet, shell)
    const call = parseCall(values.call, values.check)
    if (call && values.iidfile !== undefined)
      throw new UsageError(`cannot honour --iidfile: ${call.method} makes no image`)
    const rare = await rareOptions(values, { env: shell.env, resolve, terminal: shell.stdout.isTerminal })
    const { outputs } = rare
    const results = await resultFiles(values, resolve)
    const drawing = values.graph === undefined ? undefined : parseGraph(values.graph, resolve)
    const lookInside = values['on-error'] === 'shell'
    if (lookInside) requireTerminal(shell, call?.method, path!, values.file)
    return await interruptible(shell, async (signal) => {
      const options = {
        tags: parseTags(values.tag),
        buildArgs: parseKeyValue(values['build-arg'], () => undefined),
        labels: parseKeyValue(values.label, () => ''),
        target: values.target,
        noCache: values['no-cache'],
        ...stagesOf(values['no-cache-filter']),
        ...(await cachesOf(values['cache-from'], values['cache-to'], resolve)),
        jobs: values.jobs,
        backend: parseBackend(values.backend, shell.env.TSBOX_BACKEND),
        ...usernsOf(values.userns),
        secrets: Object.fromEntries(values.secret.map((s) => parseSecret(s, shell.env, resolve))),
        ...(values.ssh.length ? await sshGrants(values.ssh, shell.env, resolve) : {}),
        namedContexts: Object.fromEntries(values['build-context'].map((c) => parseNamedContext(c, resolve))),
        network: values.network ?? 'default',
        extraHosts: values['add-host'].map(parseAddHost),
        ...rare,
        ...(values.pull ? { pull: true } : {}),
        ...(values.explain ? { explain: true } : {}),
        ...(values.reproducible ? { reproducible: true } : {}),
        ...(drawing ? { onGraph: (graph: BuildGraph) => void drawing.graphs.push(graph) } : {}),
        stdout: (chunk: Uint8Array) => shell.stdout.write(chunk),
        signal,
      } satisfies Partial<BuildRequest>
      const input = await buildInput(path!, values.file, shell.stdin, resolve)
      const opened = await engine()
      if (call) {
        const result = await answerCall(call, opened.dockerfile, { ...options, ...input }, shell.stdout)
        return ended(result, results)
      }
      const progress = await openProgress(mode, shell, debug)
      const sink = results?.listener(shell.env, progress.sink) ?? progress.sink
      let outcome: BuildOutcome | undefined
      let verified: VerifyOutcome | undefined
      try {
        const looking = lookInside ? { onFailure: shellOnFailure(shell, progress) } : {}
        const request = { ...options, ...input, ...looking }
        if (values.verify) verified = await opened.verify(request, sink)
        outcome = verified ? verified.built : await opened.build(request, sink)
      } catch (err) {
        throw failed(err)
      } finally {
        progress.end()
        await drawing?.write()
      }
      if (verified) (await import('./build-verify.js')).tellVerified(verified, shell.stderr)
      if (!outcome) return 1
      results?.write(outcome)
      if (mode === 'quiet' && !outputs.some((o) => o.dest === '-')) shell.stdout.write(`${outcome.imageID}\n`)
      return undefined
    })
  },
})

/** `--iidfile` and `--metadata-file`; what writes them is loaded where one is given. */
async function resultFiles(
  values: { iidfile: string | undefined; 'metadata-file': string | undefined },
  resolve: (path: string) => string,
): Promise<ResultFiles | undefined> {
  const { iidfile, 'metadata-file': metadata } = values
  if (iidfile === undefined && metadata === undefined) return undefined
  const { ResultFiles } = await import('./build-results.js')
  const path = (file: string | undefined) => (file === undefined ? undefined : resolve(file))
  return new ResultFiles(path(iidfile), path(metadata))
}

function stagesOf(lists: readonly string[]): { noCacheStages?: string[] } {
  const names = lists.flatMap((l) => l.split(',')).filter(Boolean)
  return names.length ? { noCacheStages: names } : {}
}

/** Loaded for those only that name a cache. */
async function cachesOf(from: readonly string[], to: readonly string[], resolve: (path: string) => string) {
  if (from.length === 0 && to.length === 0) return {}
  const { parseCacheFrom, parseCacheTo } = await import('./build-cache.js')
  return { cacheFrom: from.map((t) => parseCacheFrom(t, resolve)), cacheTo: to.map((t) => parseCacheTo(t, resolve)) }
}

/** Loaded for builds only that are given keys. */
async function sshGrants(
  ...given: Parameters<typeof import('./build-ssh.js').parseSsh>
): Promise<Pick<BuildRequest, 'ssh'>> {
  const { parseSsh } = await import('./build-ssh.js')
  return { ssh: parseSsh(...given) }
}

/** Exit status of a call; what would fail the build is told as an error. */
function ended(result: CallResult, results: ResultFiles | undefined): number {
  results?.writeCall(result)
  if (result.error) throw result.error
  return result.status
}

/** Says, as BuildKit does, that it is the build that failed: with status 1, whatever it was that failed. */
function failed(err: unknown): unknown {
  if (!(err instanceof TsboxError)) return err
  const { code, hint, location } = err
  return new TsboxError(code, `failed to build: failed to solve: ${err.message}`, {
    hint,
    location,
    cause: err,
  })
}
