import { TsboxError } from '../../base/error.js'
import { cleanKeepSlash } from '../../base/path.js'
import { redactRemote, remoteKind } from '../../base/url.js'
import type { AddInstruction, CopyInstruction } from '../dockerfile/instruction.js'
import type { DispatchContext } from './dispatch-context.js'
import type { StageState } from './stage-state.js'
import type { CopySource, Op, Vertex } from './vertex.js'

/** Adds a COPY or an ADD to a stage. @throws TsboxError E_DOCKERFILE */
export async function dispatchCopy(
  i: CopyInstruction | AddInstruction,
  state: StageState,
  ctx: DispatchContext,
): Promise<void> {
  const isAdd = i.type === 'add'
  const sources: CopySource[] = []
  const inputs: Vertex[] = [state.vertex]
  if (isAdd && i.checksum !== '') checkChecksum(i)
  if (i.sources.length) {
    let tree = -1
    for (const path of i.sources) {
      const remote = remoteKind(path)
      if (remote && !isAdd)
        throw new TsboxError('E_DOCKERFILE', `source can't be a ${remote === 'http' ? 'URL' : 'git ref'} for COPY`, {
          hint: 'use ADD',
        })
      if (remote === 'http')
        sources.push({ from: 'http', url: path, ...(isAdd && i.checksum ? { checksum: i.checksum } : {}) })
      if (remote === 'git' && isAdd) {
        const input = inputs.push(await gitVertex(i, path, ctx)) - 1
        sources.push({ from: 'tree', input, path: '/' })
      }
      if (remote) continue
      if (tree < 0) tree = inputs.push(await ctx.source(isAdd ? '' : i.from)) - 1
      sources.push({ from: 'tree', input: tree, path: i.type === 'copy' && i.parents ? path : cleanKeepSlash(path) })
    }
  }
  for (const f of i.inline) sources.push({ from: 'inline', name: f.path, content: f.data })
  const unpack = !isAdd ? 'none' : i.unpack === undefined ? 'local' : i.unpack ? 'all' : 'none'
  const op: Op = {
    kind: 'copy',
    sources,
    dest: destination(i.dest, state.config.WorkingDir || '/'),
    ...(i.chown === '' ? {} : { chown: i.chown }),
    ...(i.chmod === '' ? {} : { chmod: i.chmod }),
    exclude: i.exclude,
    parents: i.type === 'copy' && i.parents,
    link: i.link,
    unpack,
  }
  const shown = [...i.sources.map(redactRemote), ...i.inline.map((f) => `<<${f.path}`), i.dest].join(' ')
  const flags = [i.chown && `--chown=${i.chown} `, i.chmod && `--chmod=${i.chmod} `].filter(Boolean).join('')
  state.vertex = ctx.vertex(op, inputs, ctx.title(i))
  state.record(`${isAdd ? 'ADD' : 'COPY'} ${flags}${shown}`, state.vertex)
}

/** All of a repository, or the folder of it that its address names. */
async function gitVertex(i: AddInstruction, url: string, ctx: DispatchContext): Promise<Vertex> {
  // Loaded here only: few builds have one.
  const { parseGitUrl } = await import('../../base/git-url.js')
  const source = parseGitUrl(url)
  const { keepGitDir, checksum } = i
  if (keepGitDir !== undefined && source.keepGitDir !== undefined && keepGitDir !== source.keepGitDir)
    throw new TsboxError('E_DOCKERFILE', 'inconsistent keep-git-dir configuration')
  if (checksum !== '' && source.checksum !== '' && checksum !== source.checksum)
    throw new TsboxError('E_DOCKERFILE', `checksum mismatch "${checksum}" != "${source.checksum}"`)
  const op: Op = {
    kind: 'git',
    source: {
      ...source,
      checksum: checksum || source.checksum,
      keepGitDir: keepGitDir ?? source.keepGitDir,
    },
  }
  return { ...ctx.vertex(op, [], ''), name: `[internal] load git source ${redactRemote(url)}` }
}

/** @see BuildKit's dispatchCopy, whose words these are */
function checkChecksum({ sources, inline, checksum }: AddInstruction): void {
  if (sources.length + inline.length !== 1)
    throw new TsboxError('E_DOCKERFILE', "checksum can't be specified for multiple sources")
  if (!sources[0] || !remoteKind(sources[0]))
    throw new TsboxError('E_DOCKERFILE', 'checksum requires HTTP(S) or Git sources')
  if (remoteKind(sources[0]) === 'git') {
    if (/^[0-9a-f]{4,64}$/.test(checksum)) return
    throw new TsboxError('E_DOCKERFILE', `invalid checksum of a git source: "${checksum}"`, {
      hint: "give the commit's id, as git rev-parse shows it",
    })
  }
  const [, algorithm, hex] = /^([a-z0-9]+):([0-9a-f]+)$/.exec(checksum) ?? []
  const length = { sha256: 64, sha384: 96, sha512: 128 }[algorithm ?? '']
  if (!hex) throw new TsboxError('E_DOCKERFILE', `invalid checksum digest format: "${checksum}"`)
  if (!length) throw new TsboxError('E_DOCKERFILE', `unsupported digest algorithm: "${checksum}"`)
  if (hex.length !== length) throw new TsboxError('E_DOCKERFILE', `invalid checksum digest length: "${checksum}"`)
}

/** Rooted destination; a trailing slash is kept, `.` and nothing are the working directory. */
function destination(dest: string, workdir: string): string {
  if (dest.startsWith('/')) return cleanKeepSlash(dest)
  return cleanKeepSlash(`${workdir}/${dest === '' || dest === '.' ? './' : dest}`)
}
