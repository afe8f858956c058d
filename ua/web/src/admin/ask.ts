// Calls of the administration's operations.

import { Failure, post, request } from '#/lib/api'
import type { Progress } from './types'
import { say } from './format'
import { lines } from './stream'

const base = '/api/admin/v1/'

/** One operation: "domain/list". */
export async function ask<T>(path: string, body: unknown = {}): Promise<T> {
  try {
    return await post<T>(base + path, body)
  } catch (cause) {
    throw cause instanceof Failure ? new Failure(cause.kind, say(cause.message), cause.more) : cause
  }
}

interface Step<T> {
  progress?: Progress
  reply?: T
  error?: { kind: Failure['kind']; text: string }
}

/** An operation that tells how far it is. Aborting the signal stops it on the server too. */
export async function follow<T>(path: string, body: unknown, progress: (p: Progress) => void, signal?: AbortSignal): Promise<T> {
  const response = await request(base + path, {
    method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' }, signal: signal ?? null,
  })
  try {
    for await (const line of lines(response.body!)) {
      const step = JSON.parse(line) as Step<T>
      if (step.progress) progress(step.progress)
      else if (step.error) throw new Failure(step.error.kind, say(step.error.text))
      else if (step.reply !== undefined) return step.reply
    }
  } catch (cause) {
    if (cause instanceof Failure || (cause instanceof DOMException && cause.name === 'AbortError')) throw cause
  }
  throw new Failure('offline', 'The connection broke before the server had finished. Try again.')
}
