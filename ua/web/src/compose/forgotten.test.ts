import { describe, expect, it } from 'vitest'
import { speaksOfAttachment } from './forgotten'

describe('texts that speak of an attachment', () => {
  for (const text of [
    'Please find attached the plan.', 'I have attached it', 'See the attachment.', 'enclosed you will find', 'The file is ATTACHED',
    'Im Anhang finden Sie den Plan', 'Anbei die Rechnung', 'die angehängten Bilder', 'beigefügt', 'Du findest es in der Anlage',
    'Vous trouverez en pièce jointe', 'ci-joint le document', 'Te envío adjunto el informe', 'Segue em anexo', 'In allegato trovi', 'in de bijlage', 'Bijgevoegd de factuur',
    'Jag bifogar filen', 'se bilagan', 'vedhæftet fil', 'vedlagt', 'liitteenä', 'W załączniku przesyłam', 'v příloze posílám', 'csatolva küldöm',
    'Во вложении файл', 'прикрепляю документ', 'у додатку', 'Ekte bulabilirsiniz', 'συνημμένο αρχείο', 'terlampir', 'xin xem tệp đính kèm',
    '添付ファイルをご確認ください', '请查看附件', '첨부 파일', 'مرفق الملف', 'מצורף הקובץ',
  ]) it(text, () => expect(speaksOfAttachment('', text)).not.toBe(''))
  it('the subject counts', () => expect(speaksOfAttachment('Report attached', 'Hello')).toBe('attached'))
})

describe('texts that do not', () => {
  for (const text of [
    'Hello, how are you?', 'There is no attachment.', 'It works without any attachment', 'Kein Anhang nötig', 'unattachedness is a word', 'Die Anlage läuft wieder', 'The detachment left',
    '> please see the attached file\nThanks', 'Thanks\n-- \nAda, see attached card', '',
  ]) it(text.replace(/\n/g, ' / ') || 'nothing', () => expect(speaksOfAttachment('', text)).toBe(''))
})
