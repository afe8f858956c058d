// Pictures of people: small squares that fit into a card.

/** Characters of a data: address that a card can hold. */
export const most = 48 * 1024

/** Makes a picture small enough, from its middle. Throws with a sentence when the browser cannot read it. */
export async function shrink(file: Blob): Promise<string> {
  let picture: ImageBitmap
  try {
    picture = await createImageBitmap(file)
  } catch {
    throw new Error('This is no picture that the browser can read. Choose a JPEG, PNG, GIF or WebP.')
  }
  try {
    for (const side of [320, 240, 160, 96]) {
      const canvas = document.createElement('canvas')
      canvas.width = canvas.height = Math.max(1, Math.min(side, Math.max(picture.width, picture.height)))
      const pen = canvas.getContext('2d')!
      pen.fillStyle = '#fff' // behind what is see-through
      pen.fillRect(0, 0, canvas.width, canvas.height)
      pen.imageSmoothingQuality = 'high'
      const cut = Math.min(picture.width, picture.height)
      pen.drawImage(picture, (picture.width - cut) / 2, (picture.height - cut) / 2, cut, cut, 0, 0, canvas.width, canvas.height)
      for (const quality of [0.88, 0.75, 0.6]) {
        const uri = canvas.toDataURL('image/jpeg', quality)
        if (uri.length <= most) return uri
      }
    }
  } finally {
    picture.close()
  }
  throw new Error('This picture cannot be made small enough.')
}

/** The octets of a base64 data: address, without fetching it. */
export function blobOf(uri: string): Blob | undefined {
  const m = /^data:([^;,]+);base64,(.*)$/i.exec(uri)
  if (!m) return undefined
  try {
    return new Blob([Uint8Array.from(atob(m[2]!), (c) => c.charCodeAt(0))], { type: m[1]! })
  } catch {
    return undefined
  }
}
