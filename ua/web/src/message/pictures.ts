// Pictures of a message as blob: URLs: those that came with it, and those from elsewhere, which our own server fetches for us, so that nobody
// learns who reads, when and where.

import { request } from '#/lib/api'
import { session } from '#/lib/session.svelte'
import type { BodyPart } from '#/lib/jmap/types'

const raster = /^image\/(png|jpeg|gif|webp|bmp|avif)$/i
const parallel = 6

/** Holds the URLs that were made, to give them up together. */
export class Pictures {
  private made: string[] = []
  private stopped = new AbortController()

  /** A part of the message as a picture; null when it is none. */
  async part(part: BodyPart): Promise<string | null> {
    if (!part.blobId || !raster.test(part.type)) return null
    return this.fetch(session.jmap.downloadUrl(part.blobId, part.name ?? 'picture', part.type), part.type)
  }

  /** A picture from elsewhere, through our own server. */
  async remote(url: string): Promise<string | null> {
    return this.fetch(`/api/image?url=${encodeURIComponent(url)}`)
  }

  private async fetch(path: string, type?: string): Promise<string | null> {
    try {
      const blob = await (await request(path, { signal: this.stopped.signal })).blob()
      const kind = type ?? blob.type
      if (!raster.test(kind)) return null
      const url = URL.createObjectURL(new Blob([blob], { type: kind }))
      if (this.stopped.signal.aborted) {
        URL.revokeObjectURL(url)
        return null
      }
      this.made.push(url)
      return url
    } catch {
      return null // the alternative text stays
    }
  }

  /** Does something for each, a few at a time. */
  async each<T>(list: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
    const rest = [...list]
    await Promise.all(Array.from({ length: parallel }, async () => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) await act(item)
    }))
  }

  end(): void {
    this.stopped.abort()
    for (const url of this.made.splice(0)) URL.revokeObjectURL(url)
  }
}

/** A text that came as an attachment, at most so many octets of it. */
export async function text(path: string, most: number): Promise<string> {
  const response = await request(path)
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let out = ''
  for (let read = 0; read < most; ) {
    const { value, done } = await reader.read()
    if (done) return out + decoder.decode()
    read += value.byteLength
    out += decoder.decode(value, { stream: true })
  }
  void reader.cancel()
  return out
}

