const Html = require('html-webpack-plugin');
const Css = require('mini-css-extract-plugin');
const path = require('path');
module.exports = {
  mode: 'production',
  entry: './src/index.js',
  performance: { hints: false },
  output: { path: path.resolve(process.env.OUT), filename: '[name].[contenthash].js', publicPath: '/', clean: true },
  module: { rules: [{ test: /\.css$/, use: [Css.loader, 'css-loader'] }] },
  optimization: { splitChunks: { chunks: 'all' } },
  plugins: [new Html({ title: 'x' }), new Css({ filename: '[name].[contenthash].css' })],
};
