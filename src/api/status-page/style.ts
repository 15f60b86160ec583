/** Colours follow the system's light or dark; nothing is wider than a phone. */
export const STYLE = `
:root { color-scheme: light dark; --back: #fbfbfa; --card: #fff; --ink: #1c2024; --soft: #5c6670; --line: #dfe3e6; --accent: #1f7a4d; --good: #1f7a4d; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --card: #1d2226; --ink: #e7eaec; --soft: #9aa5ae; --line: #323a41; --accent: #5fce97; --good: #5fce97; --bad: #ff8a80 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1200px; padding: 16px; background: var(--back); color: var(--ink); font: 15px/1.45 system-ui, sans-serif }
header { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; margin-bottom: 14px }
h1 { font-size: 20px; margin: 0 } h2 { font-size: 15px; margin: 22px 0 8px; color: var(--soft); font-weight: 600 }
#ready { font-weight: 600 } .good { color: var(--good) } .bad { color: var(--bad) } .unknown { color: var(--soft) }
.soft, figcaption, footer { color: var(--soft); font-size: 13px } .id, #peer { font-family: ui-monospace, monospace; font-size: 12px; overflow-wrap: anywhere }
#checks { margin: 0 0 12px; padding-left: 20px; color: var(--bad) } #checks:empty { display: none }
#stall { border-left: 4px solid var(--bad); background: var(--card); padding: 10px 14px; margin-bottom: 14px; border-radius: 4px } #stall strong { display: block }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(135px, 1fr)); gap: 10px }
.tile, figure, .box { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; margin: 0; min-width: 0 }
.tile b { display: block; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
#plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 270px), 1fr)); gap: 10px }
.account { display: grid; grid-template-columns: 70px minmax(60px, 1fr) 160px; gap: 10px; align-items: center; padding: 3px 0 }
progress { width: 100%; height: 10px; accent-color: var(--accent) } .amount { text-align: right; font-variant-numeric: tabular-nums; font-size: 13px }
.scroll { max-height: 420px; overflow: auto } table { border-collapse: collapse; width: 100% } td, th { padding: 4px 10px 4px 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top } th { position: sticky; top: 0; background: var(--card); font-size: 13px; color: var(--soft) } td.amount { white-space: nowrap }
footer { margin-top: 22px; display: flex; flex-wrap: wrap; gap: 6px 16px } a { color: inherit }
@media (max-width: 480px) { body { padding: 10px } .account { grid-template-columns: 60px 1fr } .account .amount { grid-column: 1 / -1 } .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)) } .tile b { font-size: 19px } td, th { padding-right: 7px } }
`
