// Passkeys: WebAuthn between the browser and /api.

import { post } from '#/lib/api'
import type { Me } from '#/lib/session.svelte'

interface Begun {
  id: string
  options: { publicKey?: unknown } & Record<string, unknown>
}

export function possible(): boolean {
  return 'PublicKeyCredential' in globalThis && 'parseRequestOptionsFromJSON' in PublicKeyCredential
}

/** Logs in with a passkey; user narrows it to one account's. */
export async function login(user: string | undefined, remember: boolean, conditional = false, signal?: AbortSignal): Promise<Me> {
  const begun = await post<Begun>('/api/login/passkey/begin', user ? { user } : {})
  const options = (begun.options.publicKey ?? begun.options) as PublicKeyCredentialRequestOptionsJSON
  const got = (await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), ...(conditional ? { mediation: 'conditional' as const } : {}), signal,
  })) as PublicKeyCredential | null
  if (!got) throw new Error('No passkey was chosen.')
  return post<Me>('/api/login/passkey/finish', { id: begun.id, credential: got.toJSON(), remember })
}

/** Makes a passkey for the account that is logged in. The first second factor brings recovery codes with it, which are shown this once. */
export async function create(password: string, label: string, programs: boolean): Promise<string[]> {
  const begun = await post<Begun>('/api/passkeys/begin', { password })
  const options = (begun.options.publicKey ?? begun.options) as PublicKeyCredentialCreationOptionsJSON
  const made = (await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })) as PublicKeyCredential | null
  if (!made) throw new Error('No passkey was made.')
  const answer = await post<{ recovery?: string[] }>('/api/passkeys/finish', { id: begun.id, label, credential: made.toJSON(), programs })
  return answer.recovery ?? []
}
