/** Reads Prometheus's text format, strictly: what a scraper would refuse fails. */
import * as assert from 'uvu/assert'

export interface Exposition {
  types: Map<string, string>
  helps: Map<string, string>
  samples: { name: string; labels: Record<string, string>; value: number }[]
}

export function readExposition(text: string): Exposition {
  const found: Exposition = { types: new Map(), helps: new Map(), samples: [] }
  const seen = new Set<string>()
  assert.ok(text.endsWith('\n'), 'the text ends with a line feed')
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, kind, about, rest] = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line) ?? []
    if (kind !== undefined) {
      const map = kind === 'HELP' ? found.helps : found.types
      assert.not.ok(map.has(about as string), `${kind} of ${about} once`)
      map.set(about as string, rest as string)
      continue
    }
    const [, name, inner, value] = /^([a-z][a-z0-9_]*)(?:\{(.*)\})? (-?[0-9.e+-]+|NaN)$/.exec(line) ?? []
    assert.ok(name !== undefined, `a sample: ${line}`)
    const labels = readLabels(inner ?? '')
    const key = JSON.stringify([name, Object.entries(labels).sort()])
    assert.not.ok(seen.has(key), `twice: ${line}`)
    seen.add(key)
    assert.ok(found.types.has(name as string), `type of ${name}`)
    found.samples.push({ name: name as string, labels, value: Number(value) })
  }
  return found
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  const pattern = /([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy
  let end = 0
  for (const match of text.matchAll(pattern)) {
    labels[match[1] as string] = (match[2] as string).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
    end = match.index + match[0].length
  }
  assert.is(end, text.length, `labels: ${text}`)
  return labels
}

/** The one sample with these labels; undefined where there is none. */
export function sampleOf({ samples }: Exposition, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = samples.filter(
    sample => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  assert.ok(found.length <= 1, `${name} ${JSON.stringify(labels)} is one sample`)
  return found[0]?.value
}
