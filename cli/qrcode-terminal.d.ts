/** qrcode-terminal 0.12 ships no types. */
declare module 'qrcode-terminal' {
  const qrcode: {
    /** Calls back, before it returns, with the code as lines of blocks; throws where the text is too long for a code. */
    generate(text: string, options: { small?: boolean }, callback: (code: string) => void): void
    setErrorLevel(level: 'L' | 'M' | 'Q' | 'H'): void
  }
  export default qrcode
}
