import { render } from 'preact'
import { App } from './app.tsx'
import './style.css'

/** The token comes behind the address's #, which no server is sent; it is kept for this tab alone. */
function tokenOf(): string | null {
  const found = /(?:^#|&)token=([\x21-\x7e]{1,512})/.exec(location.hash)?.[1]
  if (found !== undefined) {
    sessionStorage.setItem('epione-token', found)
    history.replaceState(null, '', location.pathname)
  }
  return found ?? sessionStorage.getItem('epione-token')
}

render(<App access={{ token: tokenOf() }} />, document.getElementById('page') as HTMLElement)
