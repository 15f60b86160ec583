import type { DashboardSpec } from './dashboard.ts'
import { joined, metric, perNode, quantile, rate, ratio } from './expr.ts'

const A = 'sealsync_api'

export const api: DashboardSpec = {
  name: 'api',
  title: 'sealsync / API and subscriptions',
  about:
    'What clients ask and how they are served: requests, latency, transfers, slow readers, refusals, and the scrape itself.',
  rows: [
    {
      title: 'Requests',
      panels: [
        {
          title: 'Requests',
          unit: 'ops',
          good: 'what the clients ask',
          targets: [
            {
              expr: perNode(`${rate(`${A}_requests_total`)} > 0`, 'listener', 'route'),
              legend: '{{listener}} {{route}}'
            }
          ]
        },
        {
          title: 'Errors',
          unit: 'ops',
          about: 'Answers of the classes 4xx and 5xx, and answers cut half way',
          good: '0',
          targets: [
            {
              expr: perNode(rate(`${A}_requests_total`, 'status=~"4xx|5xx|aborted"'), 'listener', 'status'),
              legend: '{{listener}} {{status}}'
            }
          ]
        },
        {
          title: 'Share of requests that failed',
          unit: 'percentunit',
          good: 'below 0.01',
          targets: [{ expr: ratio(rate(`${A}_requests_total`, 'status=~"5xx|aborted"'), rate(`${A}_requests_total`)) }]
        },
        {
          title: 'Latency, 99th percentile',
          unit: 's',
          good: 'below 0.1 s but for the transfer of whole blocks',
          targets: [
            {
              expr: joined(
                `histogram_quantile(0.99, sum by (job, instance, listener, le) (${rate(`${A}_request_duration_seconds_bucket`)}))`
              ),
              legend: '{{listener}}'
            }
          ]
        },
        {
          title: 'Bytes answered',
          unit: 'Bps',
          good: 'below what the link carries',
          targets: [{ expr: perNode(rate(`${A}_response_bytes_total`), 'listener'), legend: '{{listener}}' }]
        }
      ]
    },
    {
      title: 'Transfers and slow readers',
      panels: [
        {
          title: 'Transfers under way',
          unit: 'short',
          good: 'below the limit of streams',
          targets: [
            { expr: perNode(metric(`${A}_tree_streams`), 'kind'), legend: 'blob trees as {{kind}}' },
            { expr: perNode(metric(`${A}_in_flight_requests`), 'listener'), legend: '{{listener}} requests' }
          ]
        },
        {
          title: 'Connections',
          unit: 'short',
          good: 'below the limit of the listener',
          targets: [{ expr: perNode(metric(`${A}_connections`), 'listener'), legend: '{{listener}}' }]
        },
        {
          title: 'Bytes buffered for clients',
          unit: 'bytes',
          good: 'below the account’s cap',
          targets: [{ expr: perNode(metric('sealsync_budget_reserved_bytes', 'account="api"')) }]
        },
        {
          title: 'Answers cut',
          unit: 'ops',
          good: '0; slow-reader is a client that took nothing for 10 s',
          targets: [
            { expr: perNode(rate(`${A}_answers_cut_total`), 'listener', 'reason'), legend: '{{listener}} {{reason}}' }
          ]
        },
        {
          title: 'Refused',
          unit: 'ops',
          good: '0; too-many-streams and overloaded say that the node is at its limits',
          targets: [
            { expr: perNode(`${rate(`${A}_refused_total`)} > 0`, 'listener', 'code'), legend: '{{listener}} {{code}}' },
            {
              expr: perNode(rate(`${A}_connections_dropped_total`), 'listener'),
              legend: '{{listener}} connections dropped'
            }
          ]
        },
        {
          title: 'Bytes that made no request',
          unit: 'ops',
          good: '0',
          targets: [
            {
              expr: perNode(rate(`${A}_protocol_faults_total`), 'listener', 'reason'),
              legend: '{{listener}} {{reason}}'
            }
          ]
        },
        {
          title: 'Notified behind stored',
          unit: 'short',
          about: 'Consecutive heights of which listeners were not told yet: the lag of the slowest of them',
          good: '0',
          targets: [
            {
              expr: perNode(
                metric('state_synchronization_execution_data_requester_execution_requester_outstanding_notifications')
              )
            }
          ]
        },
        {
          title: 'Subscriptions taken up again',
          unit: 'ops',
          about:
            'Followers that ask for announcements of past heights: after a start, a reconnect or a gap. Each is answered from what the node remembers',
          good: '0 but after a start',
          targets: [
            { expr: perNode(rate('sealsync_p2p_announce_requests_total'), 'outcome'), legend: 'asked of us' },
            { expr: perNode(rate('sealsync_p2p_announce_requests_sent_total')), legend: 'asked by us' }
          ]
        },
        {
          title: 'Listeners that failed',
          unit: 'ops',
          good: '0; each time the height is given again',
          targets: [{ expr: perNode(rate('sealsync_requester_listener_failures_total')) }]
        }
      ]
    },
    {
      title: 'Scrapes',
      panels: [
        {
          title: 'Time to render the metrics, 99th percentile',
          unit: 's',
          good: 'below 0.01 s',
          targets: [{ expr: quantile(0.99, `${A}_scrape_duration_seconds`) }]
        },
        {
          title: 'Series of a scrape',
          unit: 'short',
          about: 'Samples that Prometheus took in the last scrape',
          good: 'below 2,000',
          targets: [{ expr: 'scrape_samples_scraped{job=~"$job", instance=~"$instance"}' }]
        }
      ]
    }
  ]
}
