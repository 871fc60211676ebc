/** Lines of a Dockerfile, both counted from 1 and both included. */
export interface LineRange {
  line: number
  endLine: number
}

/**
 * The escape character of the file, changed by `# escape=`: it joins lines and takes the meaning from the next
 * character.
 */
export type EscapeToken = '\\' | '`'

/** A here-document attached to an instruction. */
export interface Heredoc {
  /** The word that ends it; also the file name of a COPY source. */
  name: string
  /** The number before `<<`; 0 where none was given. */
  fileDescriptor: number
  /** False where the name was quoted: no variable is replaced in the content. */
  expand: boolean
  /** `<<-`: leading tabs are to be removed from each line and from the terminator. */
  chomp: boolean
  /** Lines between, each with its newline, tabs not yet removed. */
  content: string
}

/**
 * A node of the tree, BuildKit's shape: an instruction is a node whose `next` chain holds the arguments; ONBUILD and
 * HEALTHCHECK hold nodes in `children`.
 */
export interface Node {
  value: string
  next: Node | undefined
  children: Node[]
  heredocs: Heredoc[]
  /** True where the arguments were a JSON list. */
  json: boolean
  /** The logical line: continuations joined, comments left out. */
  original: string
  /** Words that start with `--`, as written. */
  flags: string[]
  /** 0 for nodes that are arguments. */
  startLine: number
  endLine: number
  /** Text of the comment lines directly above, without `#`, trimmed. */
  prevComment: string[]
}

/** What the line parser yields: the instructions in order. */
export interface Tree {
  children: Node[]
  escape: EscapeToken
  warnings: ParseWarning[]
}

/** Something the line parser dislikes but accepts. */
export interface ParseWarning {
  rule: 'NoEmptyContinuation'
  detail: string
  location: LineRange
}
