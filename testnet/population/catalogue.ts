/** The clinical vocabulary of made-up patients: SNOMED CT, ICD-10, ATC, RxNorm, CVX. */
import type { Language } from './countries.ts'

export const SYSTEMS = {
  snomed: 'http://snomed.info/sct',
  icd10: 'http://hl7.org/fhir/sid/icd-10',
  loinc: 'http://loinc.org',
  ucum: 'http://unitsofmeasure.org',
  atc: 'http://www.whocc.no/atc',
  rxnorm: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  cvx: 'http://hl7.org/fhir/sid/cvx',
} as const

export interface Drug {
  atc: string
  /** RxNorm ingredient; absent where the combination has none. */
  rxnorm?: string
  name: string
  strength: string
  /** Count per dose and doses per day. */
  dose: number
  /** What is counted. */
  unit: string
  perDay: number
}

export const DRUGS = {
  amlodipine: { atc: 'C08CA01', rxnorm: '17767', name: 'Amlodipine', strength: '5 mg', dose: 1, unit: 'tablet', perDay: 1 },
  losartan: { atc: 'C09CA01', rxnorm: '52175', name: 'Losartan', strength: '50 mg', dose: 1, unit: 'tablet', perDay: 1 },
  metformin: { atc: 'A10BA02', rxnorm: '6809', name: 'Metformin', strength: '500 mg', dose: 1.5, unit: 'tablet', perDay: 2 },
  glargine: { atc: 'A10AE04', rxnorm: '274783', name: 'Insulin glargine', strength: '100 units/mL', dose: 14, unit: 'unit', perDay: 1 },
  atorvastatin: { atc: 'C10AA05', rxnorm: '83367', name: 'Atorvastatin', strength: '20 mg', dose: 1, unit: 'tablet', perDay: 1 },
  salbutamol: { atc: 'R03AC02', rxnorm: '435', name: 'Salbutamol', strength: '100 micrograms/puff', dose: 2, unit: 'puff', perDay: 2 },
  budesonide: { atc: 'R03BA02', rxnorm: '19831', name: 'Budesonide', strength: '200 micrograms/puff', dose: 1, unit: 'puff', perDay: 2 },
  levothyroxine: { atc: 'H03AA01', rxnorm: '10582', name: 'Levothyroxine', strength: '50 micrograms', dose: 1, unit: 'tablet', perDay: 1 },
  iron: { atc: 'B03AA07', rxnorm: '24947', name: 'Ferrous sulfate', strength: '200 mg', dose: 1, unit: 'tablet', perDay: 2 },
  omeprazole: { atc: 'A02BC01', rxnorm: '7646', name: 'Omeprazole', strength: '20 mg', dose: 1, unit: 'capsule', perDay: 1 },
  ibuprofen: { atc: 'M01AE01', rxnorm: '5640', name: 'Ibuprofen', strength: '400 mg', dose: 1, unit: 'tablet', perDay: 3 },
  paracetamol: { atc: 'N02BE01', rxnorm: '161', name: 'Paracetamol', strength: '500 mg', dose: 2, unit: 'tablet', perDay: 3 },
  sumatriptan: { atc: 'N02CC01', rxnorm: '37418', name: 'Sumatriptan', strength: '50 mg', dose: 1, unit: 'tablet', perDay: 1 },
  amoxicillin: { atc: 'J01CA04', rxnorm: '723', name: 'Amoxicillin', strength: '500 mg', dose: 1, unit: 'capsule', perDay: 3 },
  azithromycin: { atc: 'J01FA10', rxnorm: '18631', name: 'Azithromycin', strength: '500 mg', dose: 1, unit: 'tablet', perDay: 1 },
  nitrofurantoin: { atc: 'J01XE01', rxnorm: '7454', name: 'Nitrofurantoin', strength: '100 mg', dose: 1, unit: 'tablet', perDay: 2 },
  artemether: { atc: 'P01BF01', name: 'Artemether and lumefantrine', strength: '20 mg/120 mg', dose: 4, unit: 'tablet', perDay: 2 },
  rehydration: { atc: 'A07CA', name: 'Oral rehydration salts', strength: '20.5 g/L', dose: 1, unit: 'sachet', perDay: 4 },
  rifampicin: { atc: 'J04AM02', name: 'Rifampicin and isoniazid', strength: '150 mg/75 mg', dose: 3, unit: 'tablet', perDay: 1 },
} as const satisfies Readonly<Record<string, Drug>>

export type DrugKey = keyof typeof DRUGS

export interface Illness {
  snomed: string
  icd10: string
  /** English, as displays have it, and as a doctor here would write it. */
  names: Readonly<Record<Language, string>>
  /** First choice and alternative. */
  drugs: readonly DrugKey[]
  /** Drug group whose allergy forbids the first choice. */
  avoid?: 'penicillin'
}

export interface ChronicIllness extends Illness {
  /** Ages at which it usually begins. */
  onset: readonly [number, number]
}

export interface AcuteIllness extends Illness {
  days: readonly [number, number]
  fever: boolean
  /** Laboratory finding that confirms it. */
  test?: { loinc: string; name: string; snomed: string; result: string }
}

export const CHRONIC: Readonly<Record<string, ChronicIllness>> = {
  hypertension: {
    snomed: '59621000',
    icd10: 'I10',
    names: { en: 'Essential hypertension', de: 'Essentielle Hypertonie', pt: 'Hipertensão essencial' },
    drugs: ['amlodipine', 'losartan'],
    onset: [34, 58],
  },
  diabetes: {
    snomed: '44054006',
    icd10: 'E11.9',
    names: { en: 'Type 2 diabetes mellitus', de: 'Diabetes mellitus Typ 2', pt: 'Diabetes mellitus tipo 2' },
    drugs: ['metformin', 'glargine'],
    onset: [38, 62],
  },
  asthma: {
    snomed: '195967001',
    icd10: 'J45.9',
    names: { en: 'Asthma', de: 'Asthma bronchiale', pt: 'Asma' },
    drugs: ['budesonide', 'salbutamol'],
    onset: [4, 30],
  },
  hyperlipidaemia: {
    snomed: '55822004',
    icd10: 'E78.5',
    names: { en: 'Hyperlipidaemia', de: 'Hyperlipidämie', pt: 'Hiperlipidemia' },
    drugs: ['atorvastatin'],
    onset: [36, 60],
  },
  anaemia: {
    snomed: '87522002',
    icd10: 'D50.9',
    names: { en: 'Iron deficiency anaemia', de: 'Eisenmangelanämie', pt: 'Anemia por deficiência de ferro' },
    drugs: ['iron'],
    onset: [18, 50],
  },
  hypothyroidism: {
    snomed: '40930008',
    icd10: 'E03.9',
    names: { en: 'Hypothyroidism', de: 'Hypothyreose', pt: 'Hipotireoidismo' },
    drugs: ['levothyroxine'],
    onset: [25, 60],
  },
  obesity: {
    snomed: '414916001',
    icd10: 'E66.9',
    names: { en: 'Obesity', de: 'Adipositas', pt: 'Obesidade' },
    drugs: [],
    onset: [25, 50],
  },
  arthrosis: {
    snomed: '239873007',
    icd10: 'M17.9',
    names: { en: 'Osteoarthritis of knee', de: 'Gonarthrose', pt: 'Osteoartrite do joelho' },
    drugs: ['ibuprofen'],
    onset: [48, 68],
  },
  reflux: {
    snomed: '235595009',
    icd10: 'K21.9',
    names: { en: 'Gastro-oesophageal reflux disease', de: 'Refluxkrankheit', pt: 'Doença do refluxo gastroesofágico' },
    drugs: ['omeprazole'],
    onset: [28, 60],
  },
  migraine: {
    snomed: '37796009',
    icd10: 'G43.9',
    names: { en: 'Migraine', de: 'Migräne', pt: 'Enxaqueca' },
    drugs: ['sumatriptan'],
    onset: [16, 38],
  },
  tuberculosis: {
    snomed: '154283005',
    icd10: 'A15.0',
    names: { en: 'Pulmonary tuberculosis', de: 'Lungentuberkulose', pt: 'Tuberculose pulmonar' },
    drugs: ['rifampicin'],
    onset: [20, 55],
  },
}

export const ACUTE: Readonly<Record<string, AcuteIllness>> = {
  malaria: {
    snomed: '62676009',
    icd10: 'B50.9',
    names: { en: 'Falciparum malaria', de: 'Malaria tropica', pt: 'Malária por Plasmodium falciparum' },
    drugs: ['artemether'],
    days: [6, 12],
    fever: true,
    test: {
      loinc: '32700-7',
      name: 'Microscopic observation [Identifier] in Blood by Malaria smear',
      snomed: '30020004',
      result: 'Plasmodium falciparum',
    },
  },
  dengue: {
    snomed: '38362002',
    icd10: 'A97.9',
    names: { en: 'Dengue', de: 'Denguefieber', pt: 'Dengue' },
    drugs: ['paracetamol'],
    days: [7, 14],
    fever: true,
    test: {
      loinc: '75377-2',
      name: 'Dengue virus NS1 Ag [Presence] in Serum, Plasma or Blood by Rapid immunoassay',
      snomed: '10828004',
      result: 'Positive',
    },
  },
  chikungunya: {
    snomed: '111864006',
    icd10: 'A92.0',
    names: { en: 'Chikungunya fever', de: 'Chikungunya-Fieber', pt: 'Febre de chikungunya' },
    drugs: ['paracetamol'],
    days: [8, 21],
    fever: true,
  },
  'respiratory-infection': {
    snomed: '54150009',
    icd10: 'J06.9',
    names: { en: 'Upper respiratory infection', de: 'Infekt der oberen Atemwege', pt: 'Infecção das vias aéreas superiores' },
    drugs: ['paracetamol'],
    days: [4, 10],
    fever: true,
  },
  bronchitis: {
    snomed: '10509002',
    icd10: 'J20.9',
    names: { en: 'Acute bronchitis', de: 'Akute Bronchitis', pt: 'Bronquite aguda' },
    drugs: ['amoxicillin', 'azithromycin'],
    avoid: 'penicillin',
    days: [7, 16],
    fever: true,
  },
  gastroenteritis: {
    snomed: '25374005',
    icd10: 'A09',
    names: { en: 'Gastroenteritis', de: 'Gastroenteritis', pt: 'Gastroenterite' },
    drugs: ['rehydration'],
    days: [2, 6],
    fever: true,
  },
  'urinary-infection': {
    snomed: '68566005',
    icd10: 'N39.0',
    names: { en: 'Urinary tract infection', de: 'Harnwegsinfekt', pt: 'Infecção do trato urinário' },
    drugs: ['nitrofurantoin'],
    days: [4, 9],
    fever: false,
  },
  'back-pain': {
    snomed: '279039007',
    icd10: 'M54.5',
    names: { en: 'Low back pain', de: 'Kreuzschmerz', pt: 'Lombalgia' },
    drugs: ['ibuprofen'],
    days: [10, 40],
    fever: false,
  },
}

export interface Vaccine {
  cvx: string
  /** Year from which children or adults were given it. */
  since: number
  name: string
}

export const VACCINES: Readonly<Record<string, Vaccine>> = {
  bcg: { cvx: '19', since: 1928, name: 'BCG' },
  'polio-oral': { cvx: '02', since: 1962, name: 'Poliovirus vaccine, live, oral' },
  'polio-inactivated': { cvx: '10', since: 1955, name: 'Poliovirus vaccine, inactivated' },
  'hepatitis-b': { cvx: '08', since: 1986, name: 'Hepatitis B vaccine, paediatric' },
  dtp: { cvx: '01', since: 1950, name: 'Diphtheria, tetanus and pertussis vaccine' },
  measles: { cvx: '05', since: 1965, name: 'Measles virus vaccine' },
  mmr: { cvx: '03', since: 1973, name: 'Measles, mumps and rubella vaccine' },
  varicella: { cvx: '21', since: 1995, name: 'Varicella virus vaccine' },
  'yellow-fever': { cvx: '37', since: 1938, name: 'Yellow fever vaccine' },
  tetanus: { cvx: '113', since: 1950, name: 'Tetanus and diphtheria toxoids, adult' },
  influenza: { cvx: '141', since: 1960, name: 'Influenza, seasonal, injectable' },
  covid: { cvx: '213', since: 2021, name: 'SARS-CoV-2 vaccine' },
}

export const ALLERGIES = [
  { snomed: '91936005', name: 'Allergy to penicillin', category: 'medication', group: 'penicillin', reaction: ['271807003', 'Rash'] },
  { snomed: '91935009', name: 'Allergy to peanut', category: 'food', group: '', reaction: ['126485001', 'Urticaria'] },
  { snomed: '300913006', name: 'Allergy to shellfish', category: 'food', group: '', reaction: ['126485001', 'Urticaria'] },
  { snomed: '300910009', name: 'Allergy to pollen', category: 'environment', group: '', reaction: ['61582004', 'Allergic rhinitis'] },
  { snomed: '232350006', name: 'House dust mite allergy', category: 'environment', group: '', reaction: ['61582004', 'Allergic rhinitis'] },
] as const

/** Examinations and operations, with the condition that calls for them; without one, from the age on. */
export const PROCEDURES = [
  { snomed: '29303009', name: 'Electrocardiographic procedure', condition: 'hypertension', fromAge: 45, minutes: 15 },
  { snomed: '401191002', name: 'Diabetic foot examination', condition: 'diabetes', fromAge: 200, minutes: 20 },
  { snomed: '134395001', name: 'Diabetic retinopathy screening', condition: 'diabetes', fromAge: 200, minutes: 30 },
  { snomed: '127783003', name: 'Spirometry', condition: 'asthma', fromAge: 200, minutes: 25 },
  { snomed: '399208008', name: 'Plain chest X-ray', condition: 'tuberculosis', fromAge: 40, minutes: 10 },
  { snomed: '73761001', name: 'Colonoscopy', condition: '', fromAge: 50, minutes: 45 },
  { snomed: '225362009', name: 'Dental care', condition: '', fromAge: 18, minutes: 40 },
] as const
