import { LitElement, css, html } from 'lit';
import './style.css';

class XApp extends LitElement {
  static properties = { view: {} };
  static styles = css`:host { display: block }`;
  async open(load) { this.view = (await load()).view(); }
  render() {
    return html`<p>Grüße 😀</p>${this.view}
      <button @click=${() => this.open(() => import('./notes.js'))}>notes</button>
      <button @click=${() => this.open(() => import('./about.js'))}>about</button>`;
  }
}
customElements.define('x-app', XApp);
document.getElementById('root').append(document.createElement('x-app'));
