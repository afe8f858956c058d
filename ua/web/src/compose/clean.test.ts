import { describe, expect, it } from 'vitest'
import { cleanHtml, type From } from './clean'

const all: From[] = ['own', 'quote', 'paste']

describe('nothing that runs, loads or leaks comes through', () => {
  const hostile = [
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<svg onload=alert(1)><a xlink:href="javascript:alert(1)">x</a></svg>', '<a href="javascript:alert(1)">x</a>',
    '<a href=" &#1; javascript:alert(1)">x</a>', '<iframe srcdoc="<script>alert(1)</script>"></iframe>', '<form action="https://evil.example"><input name=a><button>x</button></form>',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">', '<style>@import "https://evil.example"</style>',
    '<link rel=stylesheet href="https://evil.example">', '<meta http-equiv=refresh content="0;url=https://evil.example">', '<base href="https://evil.example">',
    '<div style="background:url(https://evil.example/x)">x</div>', '<div style="position:fixed;inset:0;z-index:999">x</div>', '<div style="background-image:image-set(\'https://evil.example\' 1x)">x</div>',
    '<table background="https://evil.example/x"><tr><td>x</td></tr></table>', '<video src="https://evil.example" poster="https://evil.example"></video>',
    '<img srcset="https://evil.example 1x" src="https://evil.example/a">', '<object data="https://evil.example"></object>', '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>', '<img src="data:image/svg+xml,<svg onload=alert(1)>">', '<input autofocus onfocus=alert(1)>', '<p id="app" class="button" name="x">x</p>',
    '<div contenteditable="false" tabindex="0" accesskey="x" draggable="true">x</div>', '<a href="x" target="_blank" ping="https://evil.example">x</a>',
    '<style><img src="</style><img src=x onerror=alert(1)//">', '<xmp><p title="</xmp><img src=x onerror=alert(1)>">', '<div style="margin-left:-500px;width:99999px">x</div>',
  ]
  for (const from of all)
    for (const html of hostile)
      it(`${from}: ${html.slice(0, 60)}`, () => {
        const out = cleanHtml(html, { from })
        expect(out).not.toMatch(/<(script|style|svg|math|iframe|form|input|button|link|meta|base|video|object|noscript|xmp)\b/i)
        const box = document.createElement('template')
        box.innerHTML = out
        for (const el of box.content.querySelectorAll('*')) {
          for (const a of el.attributes) {
            expect(a.name).not.toMatch(/^on|^(srcset|background|poster|ping|target|id|name|tabindex|contenteditable|accesskey)$/)
            if (a.name !== 'title' && a.name !== 'alt' && a.name !== 'data-remote') expect(a.value).not.toMatch(/javascript|evil|url\(|position|alert|-500|99999/i)
          }
          expect(el.getAttribute('class')).toBeNull()
          if (el.tagName === 'IMG') expect(el.getAttribute('src') ?? '').toBe('')
        }
      })
})

describe('pictures', () => {
  it('remote ones are remembered, not loaded', () => expect(cleanHtml('<img src="https://a.example/x.png" alt="x" width="100">', { from: 'quote' })).toBe('<img alt="x" width="100" data-remote="https://a.example/x.png">'))
  it('counters of readers go', () => expect(cleanHtml('a<img src="https://a.example/x.gif" width="1" height="1">b', { from: 'quote' })).toBe('ab'))
  it("a message's are shown from blobs", () => expect(cleanHtml('<img src="cid:a@b">', { from: 'quote', cids: new Map([['a@b', 'blob:x']]) })).toBe('<img src="blob:x" alt="" data-cid="a@b">'))
  it('unknown ones of a message keep their place', () => expect(cleanHtml('<img src="cid:a@b">', { from: 'quote' })).toBe('<img alt="" data-cid="a@b">'))
  it('blobs of others are not taken', () => expect(cleanHtml('<img src="blob:https://evil.example/1">', { from: 'paste' })).toBe(''))
})

describe('styles', () => {
  it('of letters and boxes stay in a quote', () => expect(cleanHtml('<p style="color: red; padding: 4px; position: absolute">x</p>', { from: 'quote' })).toMatch(/^<p style="color: red; padding: 4px">x<\/p>$/))
  it('are said once', () => expect(cleanHtml('<p style="margin:0 0 0 4px;border-left:2px solid red">x</p>', { from: 'quote' })).toMatch(/^<p style="margin: 0px 0px 0px 4px; border-left: 2px solid red">x<\/p>$/))
  it('are few in a paste', () => expect(cleanHtml('<p class="MsoNormal" style="color: red; font-size: 30px; font-weight: bold; margin: 3px">x</p>', { from: 'paste' })).toBe('<p style="font-weight: bold">x</p>'))
  it('the bold that is not bold goes', () => expect(cleanHtml('<b style="font-weight: normal" id="docs-internal"><span>x</span></b>', { from: 'paste' })).toMatch(/^x$|^<b>x<\/b>$/))
  it('what is hidden is not quoted', () => expect(cleanHtml('a<div style="display:none">b</div><span style="font-size:0">c</span>', { from: 'quote' })).toBe('a'))
})

it('keeps our parts in our own drafts only', () => {
  expect(cleanHtml('<div data-part="quote">x</div>', { from: 'own' })).toBe('<div data-part="quote">x</div>')
  expect(cleanHtml('<div data-part="quote">x</div>', { from: 'quote' })).toBe('<div>x</div>')
})
