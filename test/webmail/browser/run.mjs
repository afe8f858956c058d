// Runs the browser tests of the files named, or of all (with MORE set also those of *.more.mjs, which want a quiet machine): node run.mjs [file.mjs ...] [--only words].
import { readdirSync } from 'node:fs'
import { run } from './lib.mjs'

const args = process.argv.slice(2)
const at = args.indexOf('--only')
const only = at >= 0 ? args.splice(at, 2)[1] : ''
const files = args.length > 0 ? args : readdirSync(import.meta.dirname).filter((f) => f.endsWith('.test.mjs') || (process.env.MORE && f.endsWith('.more.mjs'))).sort()
for (const f of files) await import(`./${f}`)
process.exitCode = (await run(only)) > 0 ? 1 : 0
