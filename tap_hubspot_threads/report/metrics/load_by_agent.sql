-- Load by agent
-- For each agent (A-): open threads that are assigned to them now, threads in which they have
-- answered the contact, as the first or later, and all messages that they have sent, also where
-- the contact never wrote. Comments, and INCOMING mail of theirs, do not count; bots, AI agents
-- and applications have no row. Threads that are archived, spam or not in `threads` are left out.
WITH shown AS (
    SELECT id, status, "assignedTo"
    FROM threads
    WHERE archived IS NOT TRUE AND spam IS NOT TRUE
),
questions AS (
    -- The contact's first message in each thread.
    SELECT "conversationsThreadId" AS thread, MIN("createdAt") AS asked
    FROM messages
    WHERE type = 'MESSAGE'
        AND direction = 'INCOMING'
        AND LEFT(COALESCE("createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY "conversationsThreadId"
),
work AS (
    SELECT "assignedTo" AS agent_id, 1 AS open_threads, NULL AS answered, 0 AS sent
    FROM shown
    WHERE status = 'OPEN' AND "assignedTo" LIKE 'A-%'
    UNION ALL
    SELECT
        messages."createdBy",
        0,
        CASE WHEN messages."createdAt" > questions.asked THEN shown.id END,
        1
    FROM messages
    JOIN shown ON shown.id = messages."conversationsThreadId"
    LEFT JOIN questions ON questions.thread = shown.id
    WHERE messages.type = 'MESSAGE'
        AND messages.direction = 'OUTGOING'
        AND messages."createdBy" LIKE 'A-%'
)
SELECT
    COALESCE(NULLIF(actors.name, ''), work.agent_id) AS agent,
    SUM(work.open_threads) AS open_threads,
    COUNT(DISTINCT work.answered) AS threads_answered,
    SUM(work.sent) AS messages_sent
FROM work
LEFT JOIN actors ON actors.id = work.agent_id
GROUP BY work.agent_id, actors.name
ORDER BY open_threads DESC, messages_sent DESC, agent, work.agent_id;
