import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { clean, cleanStyle } from './sanitize'

const dir = join(import.meta.dirname, 'hostile')
const allowed = /^(https?:|mailto:|tel:)/i

describe('hostile messages', () => {
  for (const file of readdirSync(dir).filter((f) => f.endsWith('.html'))) {
    it(file, () => {
      const { body, styles } = clean(readFileSync(join(dir, file), 'utf8'))
      for (const e of body.querySelectorAll('*')) {
        expect(['A', 'ABBR', 'ACRONYM', 'ADDRESS', 'ARTICLE', 'ASIDE', 'B', 'BDI', 'BDO', 'BIG', 'BLOCKQUOTE', 'BR', 'CAPTION', 'CENTER', 'CITE', 'CODE', 'COL', 'COLGROUP', 'DD', 'DEL', 'DETAILS', 'DFN', 'DIR', 'DIV', 'DL', 'DT', 'EM', 'FIGCAPTION',
          'FIGURE', 'FONT', 'FOOTER', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'HEADER', 'HGROUP', 'HR', 'I', 'IMG', 'INS', 'KBD', 'LI', 'MAIN', 'MARK', 'NAV', 'NOBR', 'OL', 'P', 'PRE', 'Q', 'RP', 'RT', 'RUBY', 'S', 'SAMP', 'SECTION', 'SMALL', 'SPAN', 'STRIKE',
          'STRONG', 'SUB', 'SUMMARY', 'SUP', 'TABLE', 'TBODY', 'TD', 'TFOOT', 'TH', 'THEAD', 'TIME', 'TR', 'TT', 'U', 'UL', 'VAR', 'WBR'], `${e.tagName} is left`).toContain(e.tagName)
        for (const a of e.attributes) {
          expect(a.name, `${e.tagName} keeps ${a.name}`).not.toMatch(/^on|^xlink|^form|^srcset$|^background$|^action$|^ping$|^target$/i)
          if (a.name === 'href') expect(a.value.trim()).toMatch(allowed)
          if (a.name === 'src') expect(a.value.trim()).toMatch(/^(data:image\/(png|jpeg|gif|webp|bmp)[;,])/i)
          if (a.name === 'style') expect(a.value).not.toMatch(/url\(\s*["']?(?!data:)|expression|behavior|-moz-binding|javascript|@import/i)
        }
      }
      expect(styles).not.toMatch(/url\(\s*["']?(?!data:)|expression\s*\(|behavior\s*:|-moz-binding|@import|@font-face|<\/?style/i)
    })
  }
})

describe('clean', () => {
  it('keeps what a letter looks like', () => {
    const { body, remote, trackers, coloured } = clean(
      '<style>.a{color:red}</style><p class="a">Hi <b>you</b> <a href="https://x.example/">x</a></p><img src="cid:1"><img src="https://p.example/a.png" alt="A"><img src="https://t.example/p" width=1 height=1>')
    expect(body.querySelector('p.a b')?.textContent).toBe('you')
    expect(body.querySelector('a')?.getAttribute('href')).toBe('https://x.example/')
    expect(remote).toEqual(['https://p.example/a.png'])
    expect(trackers).toBe(1)
    expect(coloured).toBe(true)
    expect(body.querySelectorAll('img')).toHaveLength(2)
  })

  it('folds the quoted letter, but not one that is all there is', () => {
    const answer = clean('<p>Yes.</p><blockquote type="cite"><p>Shall we?</p></blockquote>')
    expect(answer.body.querySelector('details blockquote')).not.toBeNull()
    expect(clean('<blockquote type="cite">only this</blockquote>').body.querySelector('details')).toBeNull()
    expect(clean('<blockquote type="cite">first</blockquote><p>then my answer</p>').body.querySelector('details')).toBeNull()
  })

  it('cleans styles that hide what they do', () => {
    for (const s of ['background:url(http://x/)', 'background:u\\72l(http://x/)', 'background:ur/**/l(http://x/)', 'background: url( "http://x/" )', '@import "http://x/a.css"; a{}', 'background:image-set("http://x/" 1x)'])
      expect(cleanStyle(s)).not.toMatch(/http:\/\/x(?!\/" 1x)|url\((?!data)|image-set|@import/)
    expect(cleanStyle('position:fixed;top:0')).not.toMatch(/fixed/)
  })
})
