import { removeDir, unlink } from '../../vfs/change.js'
import { VfsError } from '../../vfs/error.js'
import type { Inode } from '../../vfs/inode.js'
import { fromName } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { patternRegExp } from '../expand/pattern.js'
import { errorWords } from '../files.js'
import { parseMode } from '../mode.js'
import { regexSource } from '../regex.js'
import { nameOfId, parseOwner } from './metadata.js'

/** What is looked at. */
interface Visit {
  path: string
  /** The starting point it was found from. */
  start: string
  node: Inode
  depth: number
}

/** True where it holds; actions do something on the way. */
type Test = (visit: Visit) => boolean

interface Settings {
  maxDepth: number
  minDepth: number
  depthFirst: boolean
  oneDevice: boolean
  follow: boolean
}

const TYPES: Readonly<Record<string, Inode['kind']>> = {
  f: 'file',
  d: 'dir',
  l: 'symlink',
  c: 'char',
  b: 'block',
  p: 'fifo',
}

export const find: Tool = (args, context) => {
  const settings: Settings = {
    maxDepth: Number.POSITIVE_INFINITY,
    minDepth: 0,
    depthFirst: false,
    oneDevice: false,
    follow: false,
  }
  let at = 0
  for (; /^-[HLP]$/.test(args[at] ?? ''); at++) settings.follow = args[at] === '-L'
  const starts: string[] = []
  for (; at < args.length && !/^[-(!]/.test(args[at]!); at++) starts.push(args[at]!)
  const parser = new Expression(args.slice(at), context, settings)
  const test = parser.parse()
  const walker = new Walker(context, settings, test, parser)
  for (const start of starts.length > 0 ? starts : ['.']) walker.start(start)
  parser.finish()
  return walker.status || parser.status
}

class Walker {
  readonly #context: ToolContext
  readonly #settings: Settings
  readonly #test: Test
  readonly #expression: Expression
  status = 0

  constructor(context: ToolContext, settings: Settings, test: Test, expression: Expression) {
    this.#context = context
    this.#settings = settings
    this.#test = test
    this.#expression = expression
  }

  start(path: string): void {
    const node = this.#context.files.find(path, this.#settings.follow)
    if (node) this.#visit({ path, start: path, node, depth: 0 })
    else {
      this.#context.warn(`'${path}': No such file or directory`)
      this.status = 1
    }
  }

  #visit(visit: Visit): void {
    const { files } = this.#context
    const { minDepth, maxDepth, depthFirst } = this.#settings
    const apply = () => visit.depth >= minDepth && void this.#test(visit)
    this.#expression.pruned = false
    if (!depthFirst) apply()
    const pruned = this.#expression.pruned && !depthFirst
    if (visit.node.kind === 'dir' && visit.depth < maxDepth && !pruned) {
      for (const name of files.tree.names(visit.node).map(fromName)) {
        const path = visit.path.endsWith('/') ? visit.path + name : `${visit.path}/${name}`
        const node = files.find(path, this.#settings.follow) ?? files.find(path, false)
        if (node && !(this.#settings.oneDevice && node.device !== visit.node.device))
          this.#visit({ path, start: visit.start, node, depth: visit.depth + 1 })
      }
    }
    if (depthFirst) apply()
  }
}

/** One after the other; the second one counts. */
function both(first: Test, second: Test): Test {
  return (visit) => {
    first(visit)
    return second(visit)
  }
}

/** Parses the expression; keeps what its actions gather. */
class Expression {
  readonly #args: readonly string[]
  readonly #context: ToolContext
  readonly #settings: Settings
  #at = 0
  #acts = false
  readonly #batches: (() => void)[] = []
  pruned = false
  status = 0

  constructor(args: readonly string[], context: ToolContext, settings: Settings) {
    this.#args = args
    this.#context = context
    this.#settings = settings
  }

  parse(): Test {
    const test = this.#args.length > 0 ? this.#or() : () => true
    if (this.#at < this.#args.length) throw new ToolError(`paths must precede expression: '${this.#args[this.#at]}'`)
    if (this.#acts) return test
    return (visit) => test(visit) && this.#print(visit, '\n')
  }

  /** Runs what `-exec … +` has gathered. */
  finish(): void {
    for (const batch of this.#batches) batch()
  }

  #print({ path }: Visit, end: string): boolean {
    this.#context.out.text(path + end)
    return true
  }

  #or(): Test {
    let left = this.#and()
    while (this.#args[this.#at] === '-o' || this.#args[this.#at] === '-or' || this.#args[this.#at] === ',') {
      const comma = this.#args[this.#at++] === ','
      const [a, b] = [left, this.#and()]
      left = comma ? both(a, b) : (v) => a(v) || b(v)
    }
    return left
  }

  #and(): Test {
    let left = this.#not()
    for (;;) {
      const word = this.#args[this.#at]
      if (word === undefined || word === ')' || word === '-o' || word === '-or' || word === ',') return left
      if (word === '-a' || word === '-and') this.#at++
      const [a, b] = [left, this.#not()]
      left = (v) => a(v) && b(v)
    }
  }

  #not(): Test {
    if (this.#args[this.#at] === '!' || this.#args[this.#at] === '-not') {
      this.#at++
      const test = this.#not()
      return (v) => !test(v)
    }
    return this.#primary()
  }

  #value(name: string): string {
    const value = this.#args[this.#at++]
    if (value === undefined) throw new ToolError(`missing argument to '${name}'`)
    return value
  }

  #primary(): Test {
    const { files, out } = this.#context
    const name = this.#args[this.#at++]
    switch (name) {
      case undefined:
        throw new ToolError('expected an expression')
      case '(': {
        const test = this.#or()
        if (this.#args[this.#at++] !== ')') throw new ToolError("invalid expression: ')' is missing")
        return test
      }
      case '-true':
        return () => true
      case '-false':
        return () => false
      case '-name':
      case '-iname': {
        const glob = this.#glob(this.#value(name), name === '-iname')
        return ({ path }) =>
          glob.test(
            path
              .replace(/(.)\/+$/, '$1')
              .split('/')
              .at(-1) || '/',
          )
      }
      case '-path':
      case '-wholename':
      case '-ipath': {
        const glob = this.#glob(this.#value(name), name === '-ipath')
        return ({ path }) => glob.test(path)
      }
      case '-lname': {
        const glob = this.#glob(this.#value(name), false)
        return ({ node }) => node.kind === 'symlink' && glob.test(fromName(node.target))
      }
      case '-regex': {
        const expression = new RegExp(`^(?:${regexSource(this.#value(name), false, 1)})$`)
        return ({ path }) => expression.test(path)
      }
      case '-type': {
        const kinds = this.#value(name)
          .split(',')
          .map((t) => TYPES[t] ?? this.#bad(name, t))
        return ({ node }) => kinds.includes(node.kind)
      }
      case '-empty':
        return ({ node }) =>
          node.kind === 'file'
            ? node.content.sizeBytes === 0
            : node.kind === 'dir' && files.tree.names(node).length === 0
      case '-size':
        return this.#size(this.#value(name))
      case '-perm':
        return this.#permissions(this.#value(name))
      case '-user':
      case '-uid': {
        const { uid } = parseOwner(this.#context, this.#value(name))
        return ({ node }) => node.uid === uid
      }
      case '-group':
      case '-gid': {
        const { gid } = parseOwner(this.#context, `:${this.#value(name)}`)
        return ({ node }) => node.gid === gid
      }
      case '-links':
        return this.#compared(this.#value(name), ({ node }) => node.links)
      case '-newer': {
        const reference = files.stat(this.#value(name)).mtime
        return ({ node }) => node.mtime > reference
      }
      case '-mtime':
      case '-mmin': {
        const now = this.#context.world.clock.realtime()
        const unit = name === '-mtime' ? 86_400_000_000_000n : 60_000_000_000n
        return this.#compared(this.#value(name), ({ node }) => Number((now - node.mtime) / unit))
      }
      case '-maxdepth':
        this.#settings.maxDepth = this.#whole(name)
        return () => true
      case '-mindepth':
        this.#settings.minDepth = this.#whole(name)
        return () => true
      case '-depth':
      case '-d':
        this.#settings.depthFirst = true
        return () => true
      case '-xdev':
      case '-mount':
        this.#settings.oneDevice = true
        return () => true
      case '-follow':
        this.#settings.follow = true
        return () => true
      case '-prune':
        return () => {
          this.pruned = true
          return true
        }
      case '-print':
      case '-print0': {
        this.#acts = true
        const end = name === '-print' ? '\n' : '\0'
        return (visit) => this.#print(visit, end)
      }
      case '-printf': {
        this.#acts = true
        const format = this.#value(name)
        return (visit) => {
          out.text(this.#formatted(format, visit))
          return true
        }
      }
      case '-delete':
        this.#acts = true
        this.#settings.depthFirst = true
        return (visit) => this.#delete(visit)
      case '-quit':
        throw new ToolError("'-quit' is not supported here: use head")
      case '-exec':
      case '-execdir':
      case '-ok':
        if (name !== '-exec') throw new ToolError(`'${name}' is not supported here: use -exec`)
        this.#acts = true
        return this.#exec()
      default:
        throw new ToolError(`unknown predicate '${name}'`)
    }
  }

  #bad(name: string, value: string): never {
    throw new ToolError(`unknown argument to ${name}: ${value}`)
  }

  #whole(name: string): number {
    const value = this.#value(name)
    if (!/^\d+$/.test(value))
      throw new ToolError(`expected a positive decimal integer argument to ${name}, but got '${value}'`)
    return Number(value)
  }

  #glob(pattern: string, fold: boolean): RegExp {
    const expression = patternRegExp(pattern)
    return fold ? new RegExp(expression.source, 'si') : expression
  }

  #compared(text: string, of: (visit: Visit) => number): Test {
    const m = /^([-+]?)(\d+)$/.exec(text)
    if (!m) throw new ToolError(`invalid argument '${text}'`)
    const wanted = Number(m[2])
    if (m[1] === '+') return (v) => of(v) > wanted
    return m[1] === '-' ? (v) => of(v) < wanted : (v) => of(v) === wanted
  }

  #size(text: string): Test {
    const m = /^([-+]?\d+)([bcwkMG]?)$/.exec(text)
    if (!m) throw new ToolError(`invalid argument '${text}' to '-size'`)
    const units: Readonly<Record<string, number>> = { '': 512, b: 512, c: 1, w: 2, k: 1024, M: 1 << 20, G: 1 << 30 }
    const unit = units[m[2]!]!
    return this.#compared(m[1]!, ({ node }) => Math.ceil((node.kind === 'file' ? node.content.sizeBytes : 0) / unit))
  }

  #permissions(text: string): Test {
    const how = /^[-/]/.exec(text)?.[0] ?? ''
    const mode = parseMode(text.slice(how.length), { mode: 0, directory: false, umask: 0 })
    if (mode === undefined) throw new ToolError(`invalid mode '${text}'`)
    if (how === '-') return ({ node }) => (node.mode & mode) === mode
    if (how === '/') return ({ node }) => mode === 0 || (node.mode & mode) !== 0
    return ({ node }) => node.mode === mode
  }

  #delete({ path }: Visit): boolean {
    if (path === '.') return true
    const { tree } = this.#context.files
    const place = this.#context.files.place(path, false)
    try {
      if (place.node?.kind === 'dir') removeDir(tree, place)
      else unlink(tree, place)
      return true
    } catch (err) {
      if (!(err instanceof VfsError)) throw err
      this.#context.warn(`cannot delete '${path}': ${errorWords(err)}`)
      this.status = 1
      return false
    }
  }

  #exec(): Test {
    const words: string[] = []
    for (;;) {
      const word = this.#args[this.#at++]
      if (word === undefined) throw new ToolError("missing argument to '-exec': it ends in ; or {} +")
      if (word === ';') break
      if (word === '+' && words.at(-1) === '{}') return this.#batch(words.slice(0, -1))
      words.push(word)
    }
    return ({ path }) => this.#context.run(words.map((w) => w.replaceAll('{}', path))) === 0
  }

  #batch(words: readonly string[]): Test {
    const paths: string[] = []
    this.#batches.push(() => {
      if (paths.length > 0 && this.#context.run([...words, ...paths]) !== 0) this.status = 1
    })
    return ({ path }) => {
      paths.push(path)
      return true
    }
  }

  #formatted(format: string, { path, start, node, depth }: Visit): string {
    const size = node.kind === 'file' ? node.content.sizeBytes : node.kind === 'symlink' ? node.target.length : 4096
    const kinds = Object.entries(TYPES).find(([, kind]) => kind === node.kind)?.[0] ?? '?'
    const values: Readonly<Record<string, () => string>> = {
      p: () => path,
      P: () => (path === start ? '' : path.slice(start.length).replace(/^\//, '')),
      f: () =>
        path
          .replace(/(.)\/+$/, '$1')
          .split('/')
          .at(-1)!,
      h: () => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.'),
      d: () => String(depth),
      s: () => String(size),
      m: () => node.mode.toString(8),
      y: () => kinds,
      l: () => (node.kind === 'symlink' ? fromName(node.target) : ''),
      u: () => nameOfId(this.#context, 'passwd', node.uid),
      g: () => nameOfId(this.#context, 'group', node.gid),
      U: () => String(node.uid),
      G: () => String(node.gid),
      n: () => String(node.links),
      '%': () => '%',
    }
    const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', '0': '\0', '\\': '\\' }
    return format.replace(/%(.)|\\(.)/gs, (all, letter?: string, escaped?: string) => {
      if (escaped !== undefined) return escapes[escaped] ?? all
      const value = values[letter!]
      if (!value) throw new ToolError(`-printf directive '${all}' is not supported here`)
      return value()
    })
  }
}
