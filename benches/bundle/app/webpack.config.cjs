const Html = require('html-webpack-plugin'); const Css = require('mini-css-extract-plugin'); const path = require('path');
module.exports = { mode: 'production', entry: './src/main.jsx', target: 'web', performance: { hints: false },
  output: { path: path.resolve(process.env.OUT), filename: '[name].[contenthash].js', publicPath: '/', clean: true },
  resolve: { extensions: ['.jsx', '.js'] },
  module: { rules: [{ test: /\.jsx$/, use: path.resolve('jsx-loader.cjs'), type: 'javascript/auto' }, { test: /\.css$/, use: [Css.loader, 'css-loader'] }] },
  optimization: { splitChunks: { chunks: 'all' } },
  plugins: [new Html({ template: 'page.html' }), new Css({ filename: '[name].[contenthash].css' })] };
