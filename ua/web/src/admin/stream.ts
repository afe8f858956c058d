// A reply of many lines, each given out when it is whole.

export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true })
      const parts = rest.split('\n')
      rest = parts.pop() ?? ''
      for (const p of parts) if (p.trim()) yield p
      if (done) break
    }
    if (rest.trim()) yield rest
  } finally {
    void reader.cancel().catch(() => undefined) // whoever reads may have had enough
  }
}
