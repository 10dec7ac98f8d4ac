import DOMPurify from 'dompurify';
import { html } from 'lit';
import { unsafeHTML } from 'lit/directives/unsafe-html.js';
import { marked } from 'marked';
import './notes.css';
export const view = () => html`<article>${unsafeHTML(DOMPurify.sanitize(marked.parse('# Notes')))}</article>`;
