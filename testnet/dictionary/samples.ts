/** Made-up FHIR resources to train a compression dictionary with, and to measure it on. */
import { splitFhir } from '../../src/fhir/bundle.ts'
import { generatePatient } from '../population/patient.ts'

export interface Sample {
  resourceType: string
  bytes: Uint8Array
}

/** Resources of the patients of these seeds, as they stand in their Bundle: with line breaks and indentation. */
export function samplesOfSeeds(from: number, to: number): Sample[] {
  const samples: Sample[] = []
  for (let seed = from; seed < to; seed++) samples.push(...samplesOfDocument(generatePatient({ seed }).bytes))
  return samples
}

/** Resources of a FHIR document. @throws EpioneError `not-json`, `not-fhir` */
export function samplesOfDocument(document: Uint8Array): Sample[] {
  return splitFhir(document).resources.map(({ resourceType, bytes }) => ({ resourceType, bytes }))
}

/** The same resource as most systems send it: without line breaks and indentation. */
export function compact({ resourceType, bytes }: Sample): Sample {
  return { resourceType, bytes: new TextEncoder().encode(JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)))) }
}

/** About `count` of them, evenly spread. */
export function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.ceil(items.length / count))
  return items.filter((_, index) => index % step === 0)
}
