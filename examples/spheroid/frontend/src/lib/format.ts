// Numbers and dates as people read them.
import dayjs from 'dayjs';
import capitalize from 'lodash/capitalize';

const NUMBER = new Intl.NumberFormat('en');

export const count = (n: number) => NUMBER.format(n);
export const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
export const day = (iso: string) => dayjs(iso).format('D MMM YYYY');
export const label = (word: string) => capitalize(word);
