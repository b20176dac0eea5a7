/** Sheets to be printed: a recovery phrase with its kit, or a guardian's share; as text, and as one HTML file that loads nothing. */
import { utf8 } from '../src/encoding/bytes.ts'
import { errorCode } from '../src/encoding/errors.ts'
import { writePrivateFile } from './private-file.ts'
import { qrModules } from './qr.ts'

export interface Sheet {
  readonly title: string
  /** What it is for, in sentences of their own. */
  readonly about: readonly string[]
  readonly parts: readonly {
    readonly name: string
    /** As it is read by people, in lines. */
    readonly lines: readonly string[]
    /** What the QR code holds. */
    readonly code: string
  }[]
}

/** A phrase in lines of six numbered words, as it is best written down. */
export function phraseLines(phrase: string): string[] {
  const words = phrase.split(' ')
  return Array.from({ length: words.length / 6 }, (_, line) => {
    const numbered = words.slice(6 * line, 6 * line + 6).map((word, i) => `${String(6 * line + i + 1).padStart(2)} ${word.padEnd(8)}`)
    return numbered.join('  ').trimEnd()
  })
}

/** The sheet of a recovery phrase. */
export function recoverySheet(phrase: string, kit: string): Sheet {
  return {
    title: 'epione recovery sheet',
    about: [
      'Whoever holds this sheet can take the folders of its wallet over, after a wait in which their owner is warned and may object once.',
      'Keep it apart from the phone and from the owner phrase. To use it: epione recovery start.',
      'Both parts are needed: the phrase takes the folders over, the kit makes what was written before readable.',
    ],
    parts: [
      { name: 'Recovery phrase', lines: phraseLines(phrase), code: phrase },
      { name: 'Recovery kit', lines: inLines(kit), code: kit },
    ],
  }
}

/** The sheet of a guardian's share. */
export function shareSheet(share: { number: number; count: number; threshold: number; guardian: string; text: string }): Sheet {
  return {
    title: `epione guardian's share ${share.number} of ${share.count}`,
    about: [
      ...(share.guardian === '' ? [] : [`For ${share.guardian}.`]),
      `Any ${share.threshold} of the ${share.count} shares give somebody who lost their wallet their health records back. Fewer open nothing.`,
      'Give it to nobody but the person who gave it to you, and only when you have seen or heard them yourself.',
    ],
    parts: [{ name: 'Share', lines: inLines(share.text), code: share.text }],
  }
}

function inLines(text: string): string[] {
  return Array.from({ length: Math.ceil(text.length / 64) }, (_, i) => text.slice(64 * i, 64 * (i + 1)))
}

export function sheetText({ title, about, parts }: Sheet): string {
  const body = parts.flatMap(({ name, lines }) => ['', name, ...lines.map(line => `  ${line}`)])
  return `${[title, '', ...about, ...body].join('\n')}\n`
}

export async function sheetHtml({ title, about, parts }: Sheet): Promise<string> {
  const sections = await Promise.all(
    parts.map(async ({ name, lines, code }) => {
      const qr = await qrSvg(code)
      return `<section><h2>${escaped(name)}</h2>${qr}<pre>${escaped(lines.join('\n'))}</pre></section>`
    }),
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>
@page { margin: 18mm } body { font: 11pt/1.4 sans-serif; color: #000; background: #fff; max-width: 170mm; margin: 0 auto }
section { break-inside: avoid; margin-top: 8mm } svg { width: 55mm; height: 55mm } pre { font: 10pt/1.5 monospace; white-space: pre-wrap; word-break: break-all }
</style></head><body><h1>${escaped(title)}</h1>
${about.map(sentence => `<p>${escaped(sentence)}</p>`).join('\n')}
${sections.join('\n')}
</body></html>
`
}

/** Nothing for a text that is too long for a code: the lines beside it say the same. */
async function qrSvg(text: string): Promise<string> {
  let rows: boolean[][]
  try {
    rows = await qrModules(text)
  } catch (error) {
    if (errorCode(error) !== 'too-large') throw error
    return ''
  }
  const path = rows.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('')
  const side = rows.length
  // Readers want a margin of four light modules; the rows have one.
  return `<svg viewBox="-3 -3 ${side + 6} ${side + 6}" shape-rendering="crispEdges" role="img"><path d="${path}"/></svg>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** Writes a sheet for its user alone: as HTML where the name ends so, else as text. */
export async function writeSheet(file: string, sheet: Sheet): Promise<void> {
  await writePrivateFile(file, [utf8(/\.html?$/i.test(file) ? await sheetHtml(sheet) : sheetText(sheet))])
}
