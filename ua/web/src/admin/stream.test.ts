import { describe, expect, it } from 'vitest'
import { lines } from './stream'

function stream(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(c) {
      for (const chunk of chunks) c.enqueue(chunk)
      c.close()
    },
  })
}

async function all(s: ReadableStream<Uint8Array>): Promise<string[]> {
  const out = []
  for await (const l of lines(s)) out.push(l)
  return out
}

const bytes = (s: string) => new TextEncoder().encode(s)

describe('lines', () => {
  it('joins what was cut anywhere, inside a letter too', async () => {
    const whole = bytes('{"a":"ä"}\n{"b":1}\n')
    for (let i = 1; i < whole.length; i++) expect(await all(stream(whole.slice(0, i), whole.slice(i)))).toEqual(['{"a":"ä"}', '{"b":1}'])
  })
  it('gives a last line without a line feed, and no empty ones', async () => {
    expect(await all(stream(bytes('\n1\n\n2')))).toEqual(['1', '2'])
    expect(await all(stream())).toEqual([])
  })
  it('gives the stream back when the reader leaves', async () => {
    let cancelled = false
    const s = new ReadableStream<Uint8Array>({ start: (c) => c.enqueue(bytes('1\n2\n')), cancel: () => void (cancelled = true) })
    for await (const l of lines(s)) {
      expect(l).toBe('1')
      break
    }
    expect(cancelled).toBe(true)
  })
})
