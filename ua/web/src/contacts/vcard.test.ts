import { describe, expect, it } from 'vitest'
import type { Card } from './card'
import { fold, parseLine, unfold } from './lines'
import { decode, parse, print, readDate, tidyUid, type Version } from './vcard'

const jane: Card = {
  '@type': 'Card', version: '1.0', uid: 'urn:uuid:5f1b1e0c-2e6b-4d53-9c2e-0a8d5a5a5a5a', kind: 'individual',
  name: { components: [{ kind: 'title', value: 'Dr.' }, { kind: 'given', value: 'Jané' }, { kind: 'given2', value: 'Q.' }, { kind: 'surname', value: 'Doe; Smith' }, { kind: 'generation', value: 'Jr.' }, { kind: 'credential', value: 'PhD' }], isOrdered: true, full: 'Dr. Jané Q. Doe; Smith Jr. PhD' },
  nicknames: { n1: { name: 'Janey' }, n2: { name: 'JD, the one' } },
  organizations: { o1: { name: 'Bread & Co; Bakers', units: [{ name: 'Ovens' }] } },
  titles: { t1: { name: 'Baker' }, t2: { name: 'Tester', kind: 'role' } },
  emails: { e1: { address: 'jane@one.example', contexts: { private: true }, pref: 1 }, e2: { address: 'jane@work.example', contexts: { work: true } }, e3: { address: 'x@y.example', label: 'Book club: old' } },
  phones: { p1: { number: '+1 555 0100', contexts: { work: true }, features: { mobile: true } }, p2: { number: '555-0101', features: { fax: true } } },
  addresses: { a1: { components: [{ kind: 'postOfficeBox', value: 'PO 7' }, { kind: 'apartment', value: 'Flat 3' }, { kind: 'name', value: '1 Main St, back' }, { kind: 'locality', value: 'Köln' }, { kind: 'region', value: 'NRW' }, { kind: 'postcode', value: '50667' }, { kind: 'country', value: 'Germany' }], contexts: { private: true } } },
  links: { l1: { uri: 'https://jane.example/a,b;c' } },
  onlineServices: { s1: { uri: 'xmpp:jane@one.example', service: 'Jabber' }, s2: { uri: 'https://social.example/@jane', service: 'mastodon' } },
  anniversaries: { b1: { kind: 'birth', date: { year: 1985, month: 4, day: 12 } }, w1: { kind: 'wedding', date: { year: 2010, month: 6, day: 1 } } },
  notes: { n1: { note: 'Two lines,\nwith; all \\ of it. ' + 'ünïcode '.repeat(30).trim() } },
  keywords: { friends: true, 'a,b': true },
  media: { m1: { kind: 'photo', uri: `data:image/jpeg;base64,${'AbC/+'.repeat(80)}` } },
}

describe('a card goes to a file and comes back the same', () => {
  for (const version of ['3.0', '4.0'] as Version[]) {
    it(`version ${version}`, () => {
      const text = print([jane], version)
      for (const line of text.split('\r\n')) expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(75)
      const back = parse(text)
      expect(back.left.size).toBe(0)
      expect(back.broken).toBe(0)
      expect(back.cards).toEqual([jane])
    })
    it(`groups, organisations, names in one piece, ${version}`, () => {
      const group: Card = { '@type': 'Card', version: '1.0', uid: 'g', kind: 'group', name: { full: 'Friends, old' }, members: { [jane.uid!]: true, other: true } }
      const org: Card = { '@type': 'Card', version: '1.0', uid: 'o', kind: 'org', name: { full: 'Bread & Co' }, organizations: { o1: { name: 'Bread & Co' } } }
      const noYear: Card = { '@type': 'Card', version: '1.0', uid: 'n', kind: 'individual', name: { components: [{ kind: 'given', value: 'Kim' }], isOrdered: true, full: 'Kim' }, anniversaries: { b1: { kind: 'birth', date: { month: 2, day: 29 } } } }
      expect(parse(print([group, org, noYear, jane], version)).cards).toEqual([group, org, noYear, jane])
    })
  }
})

describe('what other programs write', () => {
  it('labels, groups and pictures of a Mac', () => {
    const text = ['BEGIN:VCARD', 'VERSION:3.0', 'N:Kim;Lee;;;', 'FN:Lee Kim', 'item1.EMAIL;type=INTERNET;type=pref:lee@one.example', 'item1.X-ABLabel:_$!<Work>!$_', 'item2.TEL:+49 1', 'item2.X-ABLabel:Boat',
      'PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ', ' SkZJRg==', 'BDAY;X-APPLE-OMIT-YEAR=1604:1604-03-04', 'X-ABUID:X', 'X-PHONETIC-FIRST-NAME:x', 'UID:5F1B1E0C-2E6B-4D53-9C2E-0A8D5A5A5A5A', 'END:VCARD',
      'BEGIN:VCARD', 'VERSION:3.0', 'N:Friends', 'FN:Friends', 'X-ADDRESSBOOKSERVER-KIND:group', 'X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:5F1B1E0C-2E6B-4D53-9C2E-0A8D5A5A5A5A', 'END:VCARD'].join('\n')
    const { cards: [lee, friends], left } = parse(text)
    expect(lee).toMatchObject({
      uid: 'urn:uuid:5f1b1e0c-2e6b-4d53-9c2e-0a8d5a5a5a5a', emails: { e1: { address: 'lee@one.example', contexts: { work: true }, pref: 1 } }, phones: { p1: { number: '+49 1', label: 'Boat' } },
      media: { m1: { kind: 'photo', uri: 'data:image/jpeg;base64,/9j/4AAQSkZJRg==' } }, anniversaries: { b1: { date: { month: 3, day: 4 } } },
    })
    expect(friends).toMatchObject({ kind: 'group', name: { full: 'Friends' }, members: { [lee!.uid!]: true } })
    expect([...left]).toEqual([['X-PHONETIC-FIRST-NAME', 1]])
  })
  it('version 2.1 with quoted-printable', () => {
    const { cards } = parse('BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg\r\nTEL;CELL;HOME:123\r\nNOTE;ENCODING=QUOTED-PRINTABLE:a=\r\nb=0D=0Ac\r\nEND:VCARD\r\n')
    expect(cards[0]).toMatchObject({ name: { full: 'Jörg Müller' }, phones: { p1: { number: '123', contexts: { private: true }, features: { mobile: true } } }, notes: { n1: { note: 'ab\nc' } } })
  })
  it('addresses and numbers as URIs of 4.0', () => {
    const { cards } = parse('BEGIN:VCARD\nVERSION:4.0\nFN:Ann\nTEL;VALUE=uri;TYPE="work,voice";PREF=2:tel:+1-555\nEMAIL;TYPE=home:ann@x.example\nADR;LABEL="1, Road^nTown":;;;;;;\nEND:VCARD')
    expect(cards[0]).toMatchObject({ name: { full: 'Ann' }, phones: { p1: { number: '+1-555', contexts: { work: true }, pref: 2 } }, addresses: { a1: { full: '1, Road\nTown' } } })
  })
  it('counts what is left out and lives with what is broken', () => {
    const { cards, left, broken } = parse('nonsense\nBEGIN:VCARD\nFN:Ann\nSOUND:x\nX-FOO:1\nX-FOO:2\n;;;\nTEL:1\nBEGIN:VCARD\nFN:inner\nEND:VCARD\nBDAY:circa 1800\n')
    expect(cards).toHaveLength(1)
    expect(Object.fromEntries(left)).toEqual({ SOUND: 1, 'X-FOO': 2, BDAY: 1 })
    expect(broken).toBe(2)
    expect(parse('').cards).toEqual([])
    expect(parse('BEGIN:VCARD\nVERSION:3.0\nEND:VCARD').cards).toEqual([])
  })
})

it('lines', () => {
  expect(unfold('A:1\r\n 2\n\tX\rB:3')).toEqual(['A:12X', 'B:3'])
  expect(parseLine('x.TEL;TYPE="a,b",c;X="q:;":v:1')).toEqual({ group: 'x', name: 'TEL', params: { TYPE: ['a,b', 'c'], X: ['q:;'] }, value: 'v:1' })
  expect(parseLine('no line')).toBeUndefined()
  expect(fold('é'.repeat(60)).split('\r\n').every((l) => new TextEncoder().encode(l).length <= 75)).toBe(true)
})

it('dates, uids, letters of old files', () => {
  expect(readDate('1985-04-12T10:00:00Z')).toEqual({ year: 1985, month: 4, day: 12 })
  expect(readDate('--0412')).toEqual({ month: 4, day: 12 })
  expect(readDate('19851312')).toBeUndefined()
  expect(readDate('1985-04')).toEqual({ year: 1985, month: 4 })
  expect(tidyUid('abc')).toBe('abc')
  expect(decode(new Uint8Array([0x4d, 0xfc]).buffer)).toBe('Mü')
  expect(decode(new TextEncoder().encode('Mü').buffer as ArrayBuffer)).toBe('Mü')
})
