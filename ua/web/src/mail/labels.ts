// Labels: keywords that have a name and a colour in the settings.

import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { keywordOf } from './search/parse'
import { labelNamed } from './view.svelte'

export const colours: readonly (readonly [name: string, value: string])[] = [
  ['Red', '#d1453b'], ['Orange', '#d9772b'], ['Yellow', '#c99a1c'], ['Green', '#3f9b57'], ['Teal', '#2a9691'], ['Blue', '#3b7dd8'], ['Violet', '#8659c8'], ['Pink', '#c9508d'], ['Grey', '#7d7f85'],
]

export type Label = (typeof session.settings.labels)[number]

/** Makes a label; gives the one that is there when there is one of this name. */
export async function makeLabel(name: string, colour?: string): Promise<Label | null> {
  const there = labelNamed(name)
  if (there) return there
  const taken = new Set(session.settings.labels.map((l) => l.keyword))
  const base = keywordOf(name)
  let keyword = base
  for (let n = 2; taken.has(keyword); n++) keyword = `${base}-${n}`
  const used = new Set(session.settings.labels.map((l) => l.colour))
  const label = { name: name.trim(), keyword, colour: colour ?? (colours.find(([, c]) => !used.has(c)) ?? colours[0]!)[1] }
  return (await saveLabels([...session.settings.labels, label])) ? label : null
}

export async function saveLabels(labels: Label[]): Promise<boolean> {
  try {
    await session.save({ labels })
    return true
  } catch (cause) {
    toasts.fail(cause)
    return false
  }
}
