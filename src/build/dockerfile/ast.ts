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
 * A node of the tree, BuildKit's shape: an instruction is a node with its arguments as nodes; the only argument of
 * ONBUILD is an empty node whose `child` is the instruction that it triggers.
 */
export interface Node {
  /** The instruction as written, or an argument. */
  value: string
  args: Node[]
  child: Node | undefined
  heredocs: Heredoc[]
  /** True where the arguments were a JSON list. */
  json: boolean
  /** The logical line: continuations joined, comments left out. */
  original: string
  /** Words that start with `--`, quotes and escapes removed. */
  flags: string[]
  location: LineRange
  /** Text of the comment lines directly above, without `#`, trimmed. */
  comments: string[]
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
