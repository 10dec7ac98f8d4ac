export const show = (at) => { at.textContent = 'About the app'; };
