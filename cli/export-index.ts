/** The page by which a person finds their way in an export: one file, without scripts and without anything from elsewhere. */
import { formatDay, formatInstant } from './format.ts'

export interface IndexFolder {
  folder: string
  label: string
  author: string
  dir: string
  versions: readonly {
    title: string
    version: number
    dataTimeMs: number | null
    writtenMs: number
    class: string
    kind: string
    path: string
  }[]
  documents: readonly string[]
  consents: readonly string[]
  disputes: readonly string[]
  looks: readonly { timeMs: number; who: string; role: string; organisation: string; purpose: string; what: string }[]
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const text = (value: string): string => value.replace(/[&<>"']/g, character => ENTITIES[character] as string)
const link = (path: string, words: string): string => `<a href="${text(encodeURI(path))}">${text(words)}</a>`
const row = (cells: readonly string[], tag = 'td'): string => `<tr>${cells.map(cell => `<${tag}>${cell}</${tag}>`).join('')}</tr>`
const list = (items: readonly string[], none: string): string =>
  items.length === 0 ? `<p>${none}</p>` : `<ul>${items.map(item => `<li>${text(item)}</li>`).join('')}</ul>`

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc;vertical-align:top}h2{margin-top:3rem}code{font-size:.85em;word-break:break-all}'

export function indexPage(created: number, folders: readonly IndexFolder[]): string {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>Your health records, ${formatDay(created)}</title><style>${STYLE}</style></head><body>`,
    `<h1>Your health records</h1><p>Written ${text(formatInstant(created))}. Check it with <code>epione export verify</code> and the folder of this page.</p>`,
    ...folders.map(section),
    '</body></html>',
    '',
  ].join('\n')
}

function section({ folder, label, author, dir, versions, documents, consents, disputes, looks }: IndexFolder): string {
  const records = versions.filter(({ kind }) => kind === 'record')
  return [
    `<h2>${text(author)}: ${text(label)}</h2><p><code>${text(folder)}</code></p>`,
    '<h3>Records</h3>',
    records.length === 0
      ? '<p>None.</p>'
      : `<table>${row(['Date', 'What', 'Class', 'Version', 'Written'], 'th')}${records
          .map(one =>
            row([
              one.dataTimeMs === null ? '' : formatDay(one.dataTimeMs),
              link(`${dir}/${one.path}`, one.title),
              text(one.class),
              String(one.version),
              formatDay(one.writtenMs),
            ]),
          )
          .join('')}</table>`,
    ...(documents.length === 0 ? [] : [`<h3>Documents</h3><p>${documents.map(path => link(`${dir}/${path}`, path)).join('<br>')}</p>`]),
    '<h3>Who may read</h3>',
    list(consents, 'Nobody but you.'),
    '<h3>What you said is wrong</h3>',
    list(disputes, 'Nothing.'),
    '<h3>Who looked</h3>',
    looks.length === 0
      ? '<p>Nobody.</p>'
      : `<table>${row(['When', 'Who', 'As', 'At', 'Why', 'What'], 'th')}${looks
          .map(look => row([formatInstant(look.timeMs), look.who, look.role, look.organisation, look.purpose, look.what].map(text)))
          .join('')}</table>`,
  ].join('\n')
}
