// Calls of the webmail's own paths (/api/…): what JMAP has no words for. Errors are sentences for people with a kind for the program.

export type Kind =
  | 'invalid' | 'denied' | 'not_found' | 'conflict' | 'too_many' | 'unauthenticated' | 'second_factor'
  | 'unavailable' | 'internal' | 'over_quota' | 'too_large' | 'exists' | 'offline'

export class Failure extends Error {
  constructor(readonly kind: Kind, text: string, readonly more: Record<string, unknown> = {}) {
    super(text)
  }
}

/** Headers of every request that rides on the session: a form of another site cannot send them. */
export const ours: Readonly<Record<string, string>> = { 'X-Postrider': '1' }

type Listener = () => void
const ended = new Set<Listener>()

/** Calls back when the server says that nobody is logged in any more. Drafts are kept; the page asks for a login over what is shown. */
export function onSessionEnd(f: Listener): () => void {
  ended.add(f)
  return () => ended.delete(f)
}

export function sessionEnded(): void {
  for (const f of ended) f()
}

/** Fetches one of our paths and gives the response when it is a success, else throws a Failure. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init, headers: { ...ours, ...init.headers } })
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw new Failure('offline', 'The server cannot be reached. Check the connection; nothing is lost.')
  }
  if (response.ok) return response
  const failure = await readFailure(response)
  if (failure.kind === 'unauthenticated' && !path.startsWith('/api/login') && path !== '/api/me') sessionEnded()
  throw failure
}

async function readFailure(response: Response): Promise<Failure> {
  try {
    const body = (await response.json()) as { error?: { kind?: Kind; text?: string } & Record<string, unknown>; detail?: string }
    if (body.error?.text) return new Failure(body.error.kind ?? 'internal', sentence(body.error.text), body.error)
    if (body.detail) return new Failure(kindOf(response.status), sentence(body.detail))
  } catch {
    // what follows says it
  }
  return new Failure(kindOf(response.status), `The server answered ${response.status}. Try again in a moment.`)
}

function sentence(text: string): string {
  const s = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(s) ? s : `${s}.`
}

function kindOf(status: number): Kind {
  switch (status) {
    case 400: return 'invalid'
    case 401: return 'unauthenticated'
    case 403: return 'denied'
    case 404: return 'not_found'
    case 409: return 'conflict'
    case 413: return 'too_large'
    case 429: return 'too_many'
    case 503: return 'unavailable'
    default: return 'internal'
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, { signal: signal ?? null })).json() as Promise<T>
}

export async function post<T = void>(path: string, body: unknown = {}, method = 'POST'): Promise<T> {
  const response = await request(path, { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })
  return (response.status === 204 ? undefined : await response.json()) as T
}
