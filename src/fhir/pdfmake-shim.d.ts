/**
 * The types of @medplum/core name three types of `pdfmake`, an optional package that is not installed: nothing here makes PDFs.
 * They are opaque, so that the declarations of all packages stay checked (`skipLibCheck: false`).
 */
declare module 'pdfmake/interfaces' {
  export type CustomTableLayout = unknown
  export type TDocumentDefinitions = unknown
  export type TFontDictionary = unknown
}
