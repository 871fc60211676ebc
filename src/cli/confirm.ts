/** Reads a line; whether it says yes. Nothing said is no. */
export async function confirmed(input: AsyncIterable<Uint8Array>): Promise<boolean> {
  let answer = ''
  for await (const chunk of input) {
    answer += Buffer.from(chunk).toString()
    if (answer.includes('\n')) break
  }
  return /^y(es)?$/i.test(answer.split('\n')[0]!.trim())
}
