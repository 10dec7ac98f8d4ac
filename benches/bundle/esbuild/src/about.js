import { html } from 'lit';
export const view = () => html`<p>About the app</p>`;
