import { spawn } from 'node:child_process'
import type { DoctorFact } from './doctor-fact.js'
import { packageHint } from './doctor-mend.js'
import { doctorFact } from './doctor-messages.js'

/** pasta makes a network namespace at once, or not at all; this is for one that hangs. */
const PATIENCE_MS = 5000

/** Whether pasta, at `path`, can really make a network. */
export async function pastaFact(path: string | undefined): Promise<DoctorFact> {
  if (!path) return doctorFact('pasta.absent', {}, packageHint('pasta'))
  const why = await firstFailure(path)
  return why === undefined ? doctorFact('pasta.ok') : doctorFact('pasta.failed', { why })
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
