/** Letters that doctors write, in the language of the country. */
import type { Language } from './countries.ts'

export interface LetterFacts {
  name: string
  birthDate: string
  day: string
  hospital: string
  doctor: string
  conditions: readonly string[]
  drugs: readonly string[]
  bloodPressure: string
  weight: string
  hba1c?: string
  /** The acute illness that a discharge letter is about. */
  illness?: string
}

export interface Letter {
  title: string
  text: string
}

interface Phrases {
  progress: string
  discharge: string
  greeting: string
  about: (facts: LetterFacts) => string
  stay: (facts: LetterFacts, illness: string) => string
  visit: (facts: LetterFacts) => string
  conditions: string
  drugs: string
  none: string
  findings: (facts: LetterFacts) => string
  close: string
}

const PHRASES: Readonly<Record<Language, Phrases>> = {
  en: {
    progress: 'Clinic letter',
    discharge: 'Discharge summary',
    greeting: 'Dear colleague,',
    about: facts => `Re: ${facts.name}, born ${facts.birthDate}`,
    stay: (facts, illness) => `We treated this patient from ${facts.day} for ${illness}. The course was uncomplicated.`,
    visit: facts => `We saw this patient on ${facts.day} for a regular review.`,
    conditions: 'Known conditions',
    drugs: 'Current medication',
    none: 'none',
    findings: facts =>
      `On examination: blood pressure ${facts.bloodPressure} mmHg, weight ${facts.weight} kg${facts.hba1c === undefined ? '' : `, HbA1c ${facts.hba1c} %`}.`,
    close: 'Please continue as above; review as planned.\nWith kind regards',
  },
  de: {
    progress: 'Arztbrief',
    discharge: 'Entlassungsbrief',
    greeting: 'Sehr geehrte Kolleginnen und Kollegen,',
    about: facts => `Betreff: ${facts.name}, geboren am ${facts.birthDate}`,
    stay: (facts, illness) =>
      `wir behandelten die oben genannte Person ab dem ${facts.day} wegen: ${illness}. Der Verlauf war komplikationslos.`,
    visit: facts => `die oben genannte Person stellte sich am ${facts.day} zur regelmäßigen Kontrolle vor.`,
    conditions: 'Dauerdiagnosen',
    drugs: 'Aktuelle Medikation',
    none: 'keine',
    findings: facts =>
      `Befund: Blutdruck ${facts.bloodPressure} mmHg, Gewicht ${facts.weight} kg${facts.hba1c === undefined ? '' : `, HbA1c ${facts.hba1c} %`}.`,
    close: 'Wir bitten um Weiterführung der Therapie und Kontrolle wie vereinbart.\nMit freundlichen Grüßen',
  },
  pt: {
    progress: 'Relatório de consulta',
    discharge: 'Sumário de alta',
    greeting: 'Prezados colegas,',
    about: facts => `Ref.: ${facts.name}, data de nascimento ${facts.birthDate}`,
    stay: (facts, illness) => `tratamos a pessoa acima a partir de ${facts.day} por: ${illness}. A evolução foi sem complicações.`,
    visit: facts => `atendemos a pessoa acima em ${facts.day} para acompanhamento de rotina.`,
    conditions: 'Condições conhecidas',
    drugs: 'Medicação atual',
    none: 'nenhuma',
    findings: facts =>
      `Exame: pressão arterial ${facts.bloodPressure} mmHg, peso ${facts.weight} kg${facts.hba1c === undefined ? '' : `, HbA1c ${facts.hba1c} %`}.`,
    close: 'Favor manter a conduta acima e o retorno conforme combinado.\nAtenciosamente',
  },
}

export function writeLetter(language: Language, facts: LetterFacts): Letter {
  const phrases = PHRASES[language]
  const list = (heading: string, items: readonly string[]): string =>
    items.length === 0 ? `${heading}: ${phrases.none}` : `${heading}:\n${items.map(item => `- ${item}`).join('\n')}`
  const text = [
    `${facts.hospital}, ${facts.day}`,
    phrases.about(facts),
    phrases.greeting,
    facts.illness === undefined ? phrases.visit(facts) : phrases.stay(facts, facts.illness),
    list(phrases.conditions, facts.conditions),
    list(phrases.drugs, facts.drugs),
    phrases.findings(facts),
    `${phrases.close}\n${facts.doctor}`,
  ].join('\n\n')
  return { title: `${facts.illness === undefined ? phrases.progress : phrases.discharge} ${facts.day}`, text: `${text}\n` }
}
