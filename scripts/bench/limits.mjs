// What tsbox promises, checked against medians of one run. Ratios compare programs on one machine and hold on others;
// milliseconds are for an idle machine.

/** Reading, hashing and writing, each once. */
const ONCE = 'dd | tee | sha256sum'

/** @returns the limits that the results allow to judge: `{ name, value, limit, unit, pass }` */
export function judge(results) {
  const median = (name, contender) => results.find((r) => r.case === name && r.contender === contender)?.medianMs
  const out = []
  const difference = (name, a, b, limit) => add(name, a, b, limit, 'ms', (x, y) => x - y)
  const ratio = (name, a, b, limit) => add(name, a, b, limit, '×', (x, y) => x / y)
  const add = (name, a, b, limit, unit, of) => {
    if (a === undefined || b === undefined) return
    const value = of(a, b)
    out.push({ name, value, limit, unit, pass: value <= limit })
  }
  const node = median('version', 'node -e 0')
  difference('--version above node -e 0', median('version', 'tsbox'), node, 5)
  difference('--version above node -e 0, extra CA set', median('version', 'tsbox, extra CA'), node, 5)
  difference('run above node -e 0', median('start', 'tsbox'), median('start', 'node -e 0'), 45)
  ratio('run against podman', median('start', 'tsbox'), median('start', 'podman'), 0.4)
  difference('cached build above node -e 0', median('cached', 'tsbox'), median('cached', 'node -e 0'), 30)
  ratio('cached build against podman', median('cached', 'tsbox'), median('cached', 'podman'), 0.3)
  ratio('10 steps against podman', median('steps', 'tsbox'), median('steps', 'podman'), 1 / 8)
  difference('8 × sleep 1 in parallel', median('parallel', 'tsbox'), 0, 2000)
  ratio('namespaces against bwrap', median('enter', 'tsbox'), median('enter', 'bwrap'), 2)
  difference('exec above node -e 0', median('exec', 'tsbox'), median('exec', 'node -e 0'), 30)
  add('monitor and init, idle', median('idle', 'tsbox'), 0, 0.12, 'MB', (x) => x)
  ratio('100 containers against podman', median('hundred', 'tsbox'), median('hundred', 'podman'), 1 / 2)
  ratio('their memory against podman', median('hundred-memory', 'tsbox'), median('hundred-memory', 'podman'), 1 / 4)
  const copies = [
    ['copy-first', '50,000-file COPY', 1 / 6],
    ['copy-unchanged', 'unchanged COPY', 1 / 40],
    ['copy-changed', 'COPY with one file changed', 1 / 10],
  ]
  for (const [name, title, limit] of copies)
    ratio(`${title} against buildah`, median(name, 'tsbox'), median(name, 'buildah'), limit)
  ratio('1 GiB COPY against dd | tee | sha256sum', median('copy-big', 'tsbox'), median('copy-big', ONCE), 2)
  ratio('apt-get install, one id against many', median('apt', 'tsbox, one id'), median('apt', 'tsbox'), 1.25)
  add('peak memory, 100,000 files and 2 GiB', median('memory', 'tsbox'), 0, 250, 'MB', (x) => x)
  ratio('push of 300 MB against podman', median('push', 'tsbox'), median('push', 'podman'), 0.7)
  ratio('pull of 300 MB against podman', median('pull', 'tsbox'), median('pull', 'podman'), 0.6)
  ratio('pull of 300 MB against gunzip | tar x', median('pull', 'tsbox'), median('pull', 'gunzip | tar x'), 2)
  return out
}
