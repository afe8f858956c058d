import { describe, expect, it } from 'vitest'
import { age, asked, cardFor, dateText, found, fullName, haystack, labelOf, letterOf, patchOf, patched, placeLines, readPerson, rowsOf, split, titleOf, withLabel, type Card } from './card'
import { cardOf, formOf, problem } from './form'
import { duplicates, merged, ranked, remembered } from './merge'

const person = (full: string, more: Partial<Card> = {}): Card => ({ id: full, uid: `u-${full}`, kind: 'individual', name: { full }, ...more }) as Card

describe('names', () => {
  it('are read out of whatever a card has', () => {
    expect(fullName({ components: [{ kind: 'surname', value: 'Doe' }, { kind: 'given', value: 'Jane' }] })).toBe('Jane Doe')
    expect(fullName({ components: [{ kind: 'surname', value: '山田' }, { kind: 'given', value: '太郎' }], isOrdered: true, defaultSeparator: '' })).toBe('山田太郎')
    expect(titleOf({ emails: { a: { address: 'b@x' }, c: { address: 'a@x', pref: 1 } } })).toBe('a@x')
    expect(titleOf({ organizations: { o: { name: 'Bread' } } })).toBe('Bread')
    expect(titleOf({})).toBe('No name')
    expect(split('Ludwig van Beethoven')).toEqual({ given: 'Ludwig', surname: 'van Beethoven' })
    expect(split('Doe, Jane')).toEqual({ given: 'Jane', surname: 'Doe' })
    expect(split('Cher')).toEqual({ given: 'Cher', surname: '' })
  })
  it('stand under their letters, each letter once', () => {
    const rows = rowsOf([person('zoe'), person('Åke'), person('Ann'), person('123'), person('Émile'), person('Ábel'), person('Яна'), person('eva')], 'first')
    const heads = rows.filter((r) => r.first).map((r) => r.letter)
    expect(heads).toEqual([...new Set(heads)])
    expect(heads).toEqual(['A', 'E', 'Z', 'Я', '#'])
    expect(rows.at(-1)!.title).toBe('123')
    expect(letterOf('"(x')).toBe('X')
  })
  it('sort by first or last', () => {
    const list = [person('Ann Zorn'), person('Zoe Abel')]
    expect(rowsOf(list, 'first').map((r) => r.title)).toEqual(['Ann Zorn', 'Zoe Abel'])
    expect(rowsOf(list, 'last').map((r) => r.title)).toEqual(['Zoe Abel', 'Ann Zorn'])
  })
  it('put ten thousand in order in little time', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => person(`${String.fromCharCode(65 + ((i * 7) % 26))}name${i} Person`))
    const from = performance.now()
    expect(rowsOf(many, 'last')).toHaveLength(10_000)
    expect(performance.now() - from).toBeLessThan(3000)
  })
})

it('searches', () => {
  const hay = haystack(person('Jörg Müller', { organizations: { o: { name: 'Bread & Co' } }, emails: { e: { address: 'joe.m@one.example' } }, phones: { p: { number: '+49 (221) 555-01' } } }))
  for (const q of ['jorg', 'mull', 'bread', 'joe.m@one', 'example', '0221 555', '+49 221', 'm jo', 'orga'.slice(0, 3)]) expect(found(hay, asked(q)), q).toBe(true)
  for (const q of ['rg', 'jorg smith', '999']) expect(found(hay, asked(q)), q).toBe(false)
})

it('labels', () => {
  expect(labelOf({ contexts: { work: true }, features: { mobile: true } })).toBe('Work mobile')
  expect(withLabel({ number: '1', label: 'x' }, 'Home fax')).toEqual({ number: '1', contexts: { private: true }, features: { fax: true } })
  expect(withLabel({ number: '1', contexts: { work: true } }, 'Boat')).toEqual({ number: '1', contexts: { work: true }, label: 'Boat' })
  expect(withLabel({ number: '1', contexts: { work: true } }, '')).toEqual({ number: '1' })
})

it('addresses and dates', () => {
  expect(placeLines({ components: [{ kind: 'number', value: '1' }, { kind: 'name', value: 'Road' }, { kind: 'locality', value: 'Town' }, { kind: 'postcode', value: '123' }] })).toEqual(['1 Road', '123 Town'])
  expect(dateText({ month: 2, day: 29 }, 'en-GB')).toBe('29 February')
  expect(dateText({ utc: '1985-04-12T23:00:00Z' }, 'en-GB')).toBe('12 April 1985')
  expect(age({ year: 2000, month: 6, day: 2 }, new Date(2026, 5, 1))).toBe(25)
  expect(age({ month: 6, day: 2 })).toBeUndefined()
})

describe('the form', () => {
  const base: Card = {
    id: 'C1', uid: 'u', kind: 'individual', addressBookIds: { B1: true }, name: { full: 'Jane Doe' }, 'example.com:shoe': { size: 43 },
    emails: { x: { address: 'a@x.example', contexts: { work: true }, 'example.com:y': 1 } }, phones: { p: { number: '1', contexts: { work: true }, features: { mobile: true, text: true } } },
    anniversaries: { d: { kind: 'death', date: { year: 2020 } } }, addresses: { h: { components: [{ kind: 'number', value: '1' }, { kind: 'name', value: 'Road' }], countryCode: 'DE' } },
  }
  it('that changes nothing changes nothing', () => {
    expect(cardOf(formOf(base), base)).toEqual(base)
    expect(patchOf(base, cardOf(formOf(base), base))).toEqual({})
  })
  it('changes only what was written', () => {
    const f = formOf(base)
    f.surname = 'Miller'
    f.emails[0]!.value = 'b@x.example'
    f.emails.push({ key: '', value: 'c@x.example', label: 'Home' }, { key: '', value: ' ', label: '' })
    f.day = '29'
    f.month = '2'
    f.photo = 'data:image/png;base64,AA'
    const c = cardOf(f, base)
    expect(c.name).toEqual({ components: [{ kind: 'given', value: 'Jane' }, { kind: 'surname', value: 'Miller' }], isOrdered: true, full: 'Jane Miller' })
    expect(c.emails).toEqual({ x: { address: 'b@x.example', contexts: { work: true }, 'example.com:y': 1 }, e1: { address: 'c@x.example', contexts: { private: true } } })
    expect(c.anniversaries).toEqual({ d: { kind: 'death', date: { year: 2020 } }, b1: { kind: 'birth', date: { month: 2, day: 29 } } })
    expect(c.media).toEqual({ m1: { kind: 'photo', uri: 'data:image/png;base64,AA', mediaType: 'image/png' } })
    expect(Object.keys(patchOf(base, c)).sort()).toEqual(['anniversaries', 'emails', 'media', 'name'])
    expect(patched(base, patchOf(base, c))).toEqual(c)
    expect(patched(c, patchOf(c, base))).toEqual(base)
  })
  it('keeps the order of a name that begins with the surname', () => {
    const c: Card = { name: { components: [{ kind: 'surname', value: 'Kim', phonetic: 'k' }, { kind: 'given', value: 'A' }], isOrdered: true } }
    const f = formOf(c)
    f.given = 'B'
    expect(cardOf(f, c).name).toEqual({ components: [{ kind: 'surname', value: 'Kim', phonetic: 'k' }, { kind: 'given', value: 'B' }], isOrdered: true, full: 'Kim B' })
  })
  it('takes things away', () => {
    const f = formOf(base)
    f.emails = []
    f.addresses = []
    const c = cardOf(f, base)
    expect('emails' in c || 'addresses' in c).toBe(false)
    expect(patchOf(base, c)).toEqual({ emails: null, addresses: null })
  })
  it('says what is wrong', () => {
    const f = formOf({})
    expect(problem(f)?.field).toBe('given')
    f.given = 'A'
    expect(problem(f)).toBeUndefined()
    f.day = '31'
    expect(problem(f)?.field).toBe('day')
    f.month = '2'
    expect(problem(f)?.text).toMatch(/no such day/)
    f.day = '29'
    expect(problem(f)).toBeUndefined()
    f.year = '2023'
    expect(problem(f)?.field).toBe('day')
    f.emails.push({ key: '', value: 'nobody', label: '' })
    expect(problem(f)?.field).toBe('emails-0')
  })
})

it('somebody from a message', () => {
  expect(readPerson('Ann Baker <ann@x.example>')).toEqual({ name: 'Ann Baker', email: 'ann@x.example' })
  expect(readPerson('ann@x.example')).toEqual({ name: '', email: 'ann@x.example' })
  expect(readPerson('<ann@x.example>')).toEqual({ name: '', email: 'ann@x.example' })
  expect(cardFor('Baker, Ann', 'ann@x.example')).toMatchObject({ name: { full: 'Ann Baker', components: [{ kind: 'given', value: 'Ann' }, { kind: 'surname', value: 'Baker' }] }, emails: { e1: { address: 'ann@x.example' } } })
  expect(cardFor('ann@x.example', 'ann@x.example').name).toBeUndefined()
})

describe('duplicates', () => {
  const a = person('Ann Baker', { emails: { e1: { address: 'ann@x.example', label: 'Club' } }, phones: { p1: { number: '+1 555' } }, notes: { n1: { note: 'one' } }, addressBookIds: { B1: true } })
  const b = person('ann', { emails: { e1: { address: 'ANN@x.example', contexts: { work: true } }, e2: { address: 'ann@y.example', pref: 1 } }, phones: { p1: { number: '+1-555' } }, notes: { n1: { note: 'two' } }, addressBookIds: { B2: true }, created: '2020-01-01T00:00:00Z' })
  const c = person('Anna', { emails: { e1: { address: 'ann@y.example' } } })
  const other = person('Bob', { emails: { e1: { address: 'bob@x.example' } } })
  it('are found by address, also by way of a third', () => {
    const sets = duplicates([a, b, c, other, { ...a, id: 'g', kind: 'group' }])
    expect(sets).toHaveLength(1)
    expect(new Set(sets[0])).toEqual(new Set([a, b, c]))
  })
  it('are merged without loss', () => {
    const list = ranked([c, b, a])
    expect(list[0]).toBe(a)
    const m = merged([a, b, c])
    expect(m).toMatchObject({ id: 'Ann Baker', uid: a.uid, name: { full: 'Ann Baker' }, addressBookIds: { B1: true, B2: true } })
    expect(Object.values(m.emails!)).toEqual([{ address: 'ann@x.example', label: 'Club', contexts: { work: true } }, { address: 'ann@y.example' }])
    expect(Object.values(m.phones!)).toHaveLength(1)
    expect(Object.values(m.notes!).map((n) => n.note)).toEqual(['one', 'two'])
    expect(Object.values(m.nicknames!).map((n) => n.name)).toEqual(['ann', 'Anna'])
    expect(a.nicknames).toBeUndefined() // the cards themselves stay as they were
  })
  it('leave groups with whom they had', () => {
    expect(remembered({ x: true, [b.uid!]: true, [a.uid!]: true }, [b.uid], a.uid!)).toEqual({ x: true, [a.uid!]: true })
    expect(remembered({ x: true }, [b.uid], a.uid!)).toBeUndefined()
  })
})
