// COPY: of many small files, of one big one, and what memory it takes.
import { createCipheriv } from 'node:crypto'
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { builders, writeContext } from './builders.mjs'
import { peakMemory, race } from './measure.mjs'

const FOLDERS = 100
const FILES = 500
const FILE_BYTES = 4096

/** 50,000 files of 4 KB, each with content of its own. */
function writeManyFiles(dir) {
  const content = Buffer.alloc(FILE_BYTES)
  for (let i = 0; i < FILE_BYTES; i++) content[i] = 33 + ((i * 7919) % 90)
  for (let d = 0; d < FOLDERS; d++) {
    mkdirSync(join(dir, `d${d}`), { recursive: true })
    for (let f = 0; f < FILES; f++) {
      content.write(`${d}/${f} `.padEnd(16))
      writeFileSync(join(dir, `d${d}`, `f${f}`), content)
    }
  }
}

/** A context of many files for one kind of contender, so that a changed file of one does not slow another. */
function copyContext(bench) {
  const dir = join(bench.dir, 'many')
  if (!existsSync(dir)) {
    const context = writeContext(bench, 'many', 'FROM scratch\nCOPY data /data\n')
    writeManyFiles(join(context, 'data'))
  }
  return dir
}

function copyFirst(bench) {
  const context = copyContext(bench)
  const store = join(bench.dir, 'fresh-store')
  const contenders = builders(bench, context, { cache: false })
  // A store that never saw the files: neither layers nor remembered checksums.
  contenders[0].env = { ...bench.env, TSBOX_ROOT: store }
  contenders[0].before = () => rmSync(store, { recursive: true, force: true })
  return race(contenders, { rounds: bench.rounds(3), warm: false })
}

function copyUnchanged(bench) {
  return race(builders(bench, copyContext(bench)), { rounds: bench.rounds(5) })
}

function copyChanged(bench) {
  const context = copyContext(bench)
  const contenders = builders(bench, context).map((c) => ({
    ...c,
    before: (round) => appendFileSync(join(context, 'data', 'd50', 'f250'), `${c.name} ${round}\n`),
  }))
  return race(contenders, { rounds: bench.rounds(3) })
}

const MIB = 2 ** 20

/** A file that no file system can store in less, the same each time. */
function writeNoise(path, mebibytes) {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'tsbox'), Buffer.alloc(16))
  const zeros = Buffer.alloc(MIB)
  const fd = openSync(path, 'wx')
  for (let m = 0; m < mebibytes; m++) writeSync(fd, noise.update(zeros))
  closeSync(fd)
}

/** tsbox alone, with a store that never saw the files. */
function fresh(bench, context) {
  const store = join(bench.dir, 'fresh-store')
  return {
    name: 'tsbox',
    command: [bench.tsbox, 'build', '-q', context],
    env: { ...bench.env, TSBOX_ROOT: store },
    before: () => rmSync(store, { recursive: true, force: true }),
  }
}

function copyBig(bench) {
  const context = writeContext(bench, 'big', 'FROM scratch\nCOPY big /big\n')
  const big = join(context, 'big')
  writeNoise(big, 1024)
  const copy = join(bench.dir, 'copy-of-big')
  const once = {
    name: 'dd | tee | sha256sum',
    command: ['sh', '-c', 'dd if="$0" bs=1M status=none | tee "$1" | sha256sum', big, copy],
    before: () => rmSync(copy, { force: true }),
  }
  return race([fresh(bench, context), once], { rounds: bench.rounds(3) }).finally(() => {
    for (const path of [context, copy, join(bench.dir, 'fresh-store')]) rmSync(path, { recursive: true, force: true })
  })
}

function memory(bench) {
  const context = writeContext(bench, 'memory', 'FROM scratch\nCOPY . /data\n')
  writeNoise(join(context, 'big'), 2048)
  writeManyFiles(join(context, 'one'))
  writeManyFiles(join(context, 'two'))
  return peakMemory(fresh(bench, context)).finally(() => {
    for (const path of [context, join(bench.dir, 'fresh-store')]) rmSync(path, { recursive: true, force: true })
  })
}

export const copyCases = [
  { name: 'copy-first', title: 'COPY of 50,000 files of 4 KB, first', run: copyFirst },
  { name: 'copy-unchanged', title: 'the same COPY, nothing changed', run: copyUnchanged },
  { name: 'copy-changed', title: 'the same COPY, one file changed', run: copyChanged },
  { name: 'copy-big', title: 'COPY of one file of 1 GiB, first', run: copyBig },
  { name: 'memory', title: 'peak memory: COPY of 100,000 files and one of 2 GiB', unit: 'MB', run: memory },
]
