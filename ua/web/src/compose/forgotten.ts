// Does a text speak of something attached? Words of many languages; only what was written now counts, not what is quoted.

const words = [
  // English
  'attached', 'attaching', 'attachments?', 'i attach', 'enclosed', 'enclosing', 'enclosures?', 'see (?:the )?(?:file|pdf)',
  // German
  'anhang', 'anhänge', 'anhängend', 'angehängt\\p{L}*', 'anbei', 'beigefügt\\p{L}*', 'beiliegend\\p{L}*', 'hänge ich (?:ihnen|dir|euch)? ?an', '(?:in|als) (?:der )?anlage',
  // French
  'pièces? jointes?', 'piece jointe', 'ci-joints?', 'ci-jointe?s?', 'en annexe', 'je joins', 'vous trouverez joint\\p{L}*',
  // Spanish, Portuguese
  'adjunt[oa]s?', 'adjuntamos', 'archivo adjunto', 'anex[oa]s?', 'em anexo', 'anexad[oa]s?', 'anexei',
  // Italian, Romanian
  'allegat[oiae]', 'allego', 'in allegato', 'atașat\\p{L}*', 'atasat\\p{L}*', 'anexat\\p{L}*',
  // Dutch
  'bijlagen?', 'bijgevoegde?', 'bijgesloten', 'toegevoegd bestand',
  // Swedish, Danish, Norwegian, Finnish
  'bifogat', 'bifogade?', 'bifogar', 'bilaga\\p{L}*', 'bilagor', 'vedhæftet', 'vedhæftede', 'vedhæfter', 'vedlagt\\p{L}*', 'vedlegg', 'vedlagte', 'liite', 'liitteenä', 'liitteet', 'ohessa',
  // Polish, Czech, Slovak, Hungarian
  'załącznik\\p{L}*', 'w załączeniu', 'załączam', 'zalacznik\\p{L}*', 'přílo[hz]\\p{L}*', 'přiložen\\p{L}*', 'príloh\\p{L}*', 'prílohe', 'csatolva', 'csatolom', 'csatolt', 'melléklet\\p{L}*', 'mellékelve',
  // Russian, Ukrainian, Bulgarian, Serbian
  'вложени[еия]\\p{L}*', 'вложен\\p{L}*', 'во вложении', 'прикреп\\p{L}+', 'прилага\\p{L}+', 'прилож\\p{L}+', 'вкладен\\p{L}+', 'додаток', 'у додатку', 'долучаю', 'прикачен\\p{L}*', 'у прилогу',
  // Turkish, Greek, Indonesian, Vietnamese
  'ekte', 'ekteki', 'ekli', 'ilişikte', 'συνημμέν\\p{L}+', 'επισυνάπτ\\p{L}+', 'terlampir', 'lampiran', 'đính kèm',
]
const joined = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join('|')})(?![\\p{L}\\p{N}])`, 'iu')
/** Where words are not parted by spaces, or have endings before and after. */
const within = /添付|附件|附上|附檔|첨부|مرفق|المرفق|מצורף|מצורפת|מצ"ב|แนบ|संलग्न/u
const denied = /(?<![\p{L}\p{N}])(?:no|without|any|kein(?:e|en)?|ohne|sans|sin|senza|geen|utan|uten|bez) (?:\p{L}+ )?(?:attachments?|anhang|anhänge|anlage|pi[èe]ces? jointes?|adjuntos?|allegat[oi]|bijlagen?|bilag\p{L}*|vedlegg|příloh\p{L}*|załącznik\p{L}*)/giu

/** The word that speaks of an attachment, or the empty text. */
export function speaksOfAttachment(subject: string, text: string): string {
  const own = `${subject}\n${withoutQuotes(text)}`.replace(denied, ' ')
  return (joined.exec(own) ?? within.exec(own))?.[0] ?? ''
}

/** What was written now: no quoted lines, no signature. */
export function withoutQuotes(text: string): string {
  const lines: string[] = []
  for (const l of text.split('\n')) {
    if (l === '-- ') break
    if (/^\s*>/.test(l)) continue
    lines.push(l)
  }
  return lines.join('\n')
}
