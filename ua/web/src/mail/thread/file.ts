/** A file name for a message of a subject. */
export function fileName(subject: string | null): string {
  const s = (subject ?? '').normalize('NFC').replace(/[\u0000-\u001f\u007f<>:"/\\|?*\u202a-\u202e\u2066-\u2069]+/g, ' ').replace(/\s+/g, ' ').replace(/^[. ]+|[. ]+$/g, '')
  return `${[...s].slice(0, 80).join('') || 'message'}.eml`
}
