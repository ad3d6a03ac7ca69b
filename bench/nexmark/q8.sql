-- Who began to sell within the ten seconds in which he came.
CREATE JOB nexmark_q8 AS
WITH people AS (
  SELECT window_start, window_end, id, name
  FROM TUMBLE(nexmark_person, event_time, INTERVAL '10 seconds')
  GROUP BY window_start, window_end, id, name
),
sellers AS (
  SELECT window_start, window_end, seller
  FROM TUMBLE(nexmark_auction, event_time, INTERVAL '10 seconds')
  GROUP BY window_start, window_end, seller
)
SELECT p.window_start, p.window_end, p.id, p.name
FROM people AS p
JOIN sellers AS s ON p.window_start = s.window_start AND p.window_end = s.window_end AND p.id = s.seller
EMIT ON WINDOW CLOSE
INTO lake nexmark_q8;
