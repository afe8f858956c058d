import { mount } from 'svelte'
import './styles/tokens.css'
import './styles/base.css'
import App from './App.svelte'
import { session } from './lib/session.svelte'

mount(App, { target: document.getElementById('app')! })
void session.start()
if ('serviceWorker' in navigator && import.meta.env.PROD) void navigator.serviceWorker.register('/worker.js', { type: 'module', scope: '/' })
