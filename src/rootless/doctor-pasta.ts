import { spawn } from 'node:child_process'
import type { DoctorFact } from './doctor-fact.js'
import { packageHint } from './doctor-mend.js'

/** pasta makes a network namespace at once, or not at all; this is for one that hangs. */
const PATIENCE_MS = 5000

/** Whether pasta, at `path`, can really make a network. */
export async function pastaFact(path: string | undefined): Promise<DoctorFact> {
  const fact = { id: 'pasta', title: 'pasta' }
  const cost = 'containers with a network of their own have no UDP (but DNS) and no ICMP to the outside'
  if (!path) return { ...fact, state: 'info', detail: 'not installed', cost, mend: packageHint('pasta') }
  const failure = await firstFailure(path)
  if (failure === undefined) return { ...fact, state: 'ok', detail: 'makes a network' }
  return { ...fact, state: 'info', detail: failure, cost }
}

function firstFailure(path: string): Promise<string | undefined> {
  return new Promise((done) => {
    const p = spawn(path, ['--quiet', '--config-net', '--', 'true'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: PATIENCE_MS,
    })
    let words = ''
    p.stderr.on('data', (chunk: Buffer) => {
      words += chunk
    })
    p.on('error', (err) => done(err.message))
    p.on('close', (code) => done(code === 0 ? undefined : words.trim().split('\n')[0] || `ended with ${code}`))
  })
}
